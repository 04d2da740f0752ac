import numpy as np

from hpcflow.figures.plans import plan_figures
from hpcflow.figures.run import RunFolder


def test_only_what_there_is_is_drawn(run, archive, truth, tmp_path):
    assert plan_figures(RunFolder(tmp_path, {}, {}), None, None, {}) == {}
    plans = plan_figures(run, archive, truth, {"most multimodal": 5})
    assert {"training", "calibration-ecdf", "truth", "corner-most-multimodal"} <= set(plans)
    assert "truth" not in plan_figures(run, archive, None, {})


def test_without_any_posterior_only_flags_are_left(run, archive):
    plans = plan_figures(
        RunFolder(run.path / "nowhere", {}, {}), archive.isel(cluster=[7]), np.full((1, 3), np.nan), {}
    )
    assert list(plans) == ["flags"]
