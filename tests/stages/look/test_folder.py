from pathlib import Path

import pytest

from hpcflow.base.errors import InputError
from hpcflow.stages.look.folder import RunFolder
from made_run import make_run


def test_missing_parts_are_none(tmp_path: Path) -> None:
    run = RunFolder(make_run(tmp_path / "run", ()), {}, {})
    assert run.simulations is run.posteriors is run.validation is run.history is None
    assert run.flow == {}
    assert set(run.progress().values()) == {(0, 0)}


def test_only_finished_clusters_are_there(tmp_path: Path) -> None:
    run = RunFolder(make_run(tmp_path / "run", ("posteriors",), partitions=2), {}, {})
    assert run.posteriors.sizes["cluster"] == 32
    assert run.progress()["posteriors"] == (2, 3)
    run = RunFolder(make_run(tmp_path / "other", ("posteriors",), partitions=0), {}, {})
    assert run.posteriors is None


def test_history_has_a_step_for_every_row(run: RunFolder) -> None:
    assert run.history["step"].values.tolist() == list(range(50, 551, 50))
    assert float(run.history["seconds"][-1]) == 55


def test_unreadable_parts_are_refused(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run", ())
    (path / "posteriors.zarr").mkdir()
    (path / "flow").mkdir()
    (path / "flow" / "flow.json").write_text("{")
    with pytest.raises(InputError, match=r"posteriors\.zarr"):
        _ = RunFolder(path, {}, {}).posteriors
    with pytest.raises(InputError, match="train the flow again"):
        _ = RunFolder(path, {}, {}).flow


def test_pivots_of_curves_that_can_be_read(run: RunFolder) -> None:
    assert run.pivots(["F275W", "nowhere"])["F275W"] == pytest.approx(270, abs=5)
    assert list(run.pivots(["nowhere"])) == []
