"""Tables of runs, on one that was trained for a moment: no benchmark, but what keeps the benchmarks whole."""

import shutil

import pytest

from hpcflow.compute.where import InProcess
from hpcflow.config.load import with_values
from hpcflow.stages.look.compare import compare
from hpcflow.stages.run import Run
from hpcflow.stages.validate import validate
from tables import archive, calibration, fits, recovery


@pytest.fixture(scope="module")
def run(inferred: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Give a copy of the inferred run that is validated and compared as well."""
    whole = Run(tmp_path_factory.mktemp("tables") / "run")
    shutil.copytree(inferred.path, whole.path)
    few = {"validate": {"n": 200, "samples": 20, "exact": 20, "partition": 100, "require": None}}
    validate(with_values(whole.config(), few), whole, InProcess())
    compare(whole)
    return whole


def test_calibration_has_a_number_for_all_that_validation_finds(run: Run) -> None:
    found = calibration(run)
    assert found["held-out pairs, samples each"] == "200, 20"
    assert [name for name in found if name.startswith("gap, log_mass given")]
    assert 0 <= float(found["coverage of TARP off by"]) <= 1
    assert 0.4 < float(found["classifier between flow and exact samples, accuracy"].split()[0]) <= 1


def test_the_grid_fit_is_no_worse_than_the_map(run: Run) -> None:
    ours, best = map(float, fits(run)["median reduced chi^2 of the MAP; of the grid fit"].split("; "))
    assert best < ours + 0.01


def test_the_parts_of_an_archive_are_less_than_the_whole(run: Run) -> None:
    found = archive(run)
    each = {name: float(value.replace(",", "")) for name, value in found.items() if name.startswith("bytes")}
    whole = each.pop("bytes a cluster: everything")
    assert 0 < sum(each.values()) < whole


def test_recovery_has_a_row_for_each_group_but_galaxies(run: Run) -> None:
    groups = [line.split(" | ")[0].strip("| ") for line in recovery(run).splitlines()[2:]]
    assert groups[0] == "all"
    assert not any(group.startswith("NGC") for group in groups)
