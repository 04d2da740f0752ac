from pathlib import Path

import numpy as np
import xarray as xr

from hpcflow.stages.look.folder import RunFolder
from hpcflow.stages.look.plans import Beside, plan_figures


def test_only_available_parts_are_drawn(run: RunFolder, archive: xr.Dataset, truth: np.ndarray, tmp_path: Path) -> None:
    assert plan_figures(RunFolder(tmp_path, {}, {}), None, Beside(), {}) == {}
    errors = np.array([0.1, 0.2])
    plans = plan_figures(run, archive, Beside(truth, {5: np.zeros((4, 3))}, errors), {"most multimodal": 5})
    assert {"training", "calibration-ecdf", "calibration-joint", "calibration-strata", "truth", "errors"} <= set(plans)
    assert {"calibration-distances", "corner-most-multimodal", "published-galaxies"} <= set(plans)
    assert not {"truth", "errors", "weights"} & set(plan_figures(run, archive, Beside(), {}))


def test_weights_are_drawn_where_there_are_any(run: RunFolder, archive: xr.Dataset) -> None:
    known = archive.assign(efficiency=archive["chi2_map"] * 0 + 0.5)
    assert "weights" in plan_figures(run, known, Beside(), {})
    assert "weights" not in plan_figures(run, known.assign(efficiency=known["efficiency"] * np.nan), Beside(), {})


def test_without_any_posterior_only_flags_are_left(run: RunFolder, archive: xr.Dataset) -> None:
    plans = plan_figures(
        RunFolder(run.path / "nowhere", {}, {}), archive.isel(cluster=[7]), Beside(np.full((1, 3), np.nan)), {}
    )
    assert list(plans) == ["flags"]


def test_one_galaxy_is_not_drawn_twice(run: RunFolder, archive: xr.Dataset) -> None:
    one = archive.isel(cluster=np.flatnonzero(archive["galaxy"].values == "NGC1566"))
    few, many = (set(plan_figures(run, clusters, Beside(), {})) for clusters in (one, archive))
    assert many - few == {"age-mass-galaxies", "age-reddening-galaxies", "published-galaxies"}
