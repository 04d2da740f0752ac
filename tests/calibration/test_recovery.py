from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from astropy import units as u
from astropy.table import Table

from hpcflow.base.errors import InputError
from hpcflow.calibration.recovery import best_mode, find_truth, join_truth, recovery
from hpcflow.stages.look.compare import write_tables
from hpcflow.stages.look.folder import RunFolder
from hpcflow.stages.look.headline import recovery_numbers
from hpcflow.stages.look.plans import Beside, plan_figures


def test_truth_is_next_to_its_catalogue(run: RunFolder) -> None:
    assert find_truth([run.path / "mock.fits", "elsewhere.fits", "table.csv"], run.path) == [
        run.path / "mock_truth.fits"
    ]
    assert find_truth(["mock.fits"], run.path) == [run.path / "mock_truth.fits"]


def test_truth_is_joined_by_galaxy_and_identifier(run: RunFolder, archive: xr.Dataset, truth: np.ndarray) -> None:
    backwards = archive.isel(cluster=slice(None, None, -1))
    np.testing.assert_array_equal(join_truth(backwards, [run.path / "mock_truth.fits"])[::-1], truth)
    renamed = archive.assign(galaxy=archive["galaxy"].copy(data=np.full(archive.sizes["cluster"], "NGC9999")))
    assert np.isnan(join_truth(renamed, [run.path / "mock_truth.fits"])).all()


def test_truth_is_converted_to_the_archives_units(
    run: RunFolder, archive: xr.Dataset, truth: np.ndarray, tmp_path: Path
) -> None:
    table = Table.read(run.path / "mock_truth.fits")
    table["log_age"] = 10 ** (np.asarray(table["log_age"]) - 6) * u.Myr
    table["log_mass"] = 10 ** np.asarray(table["log_mass"]) * u.solMass
    table.write(tmp_path / "linear.ecsv")
    np.testing.assert_allclose(join_truth(archive, [tmp_path / "linear.ecsv"]), truth, rtol=1e-12)
    table.remove_column("galaxy")
    table.write(tmp_path / "nameless.csv")
    with pytest.raises(InputError, match=r"nameless\.csv has no column galaxy; add it, or .*it has cluster_id"):
        join_truth(archive, [tmp_path / "nameless.csv"])


@pytest.mark.parametrize(
    "spoiled", [np.inf, 1e308, np.nan, "unknown", [6.0, 7.0]], ids=["inf", "huge", "nan", "text", "vector"]
)
def test_a_truth_that_is_no_number_is_unknown(
    run: RunFolder, archive: xr.Dataset, truth: np.ndarray, tmp_path: Path, spoiled: object
) -> None:
    table = Table.read(run.path / "mock_truth.fits")
    table["log_age"] = [spoiled] * len(table)
    table.write(tmp_path / "odd_truth.fits")
    found = join_truth(archive, [tmp_path / "odd_truth.fits"])
    assert np.isnan(found[:, 0]).all()
    np.testing.assert_array_equal(found[:, 1:], truth[:, 1:])
    assert "truth-groups" not in plan_figures(run, archive, Beside(found), {})
    assert "truth" in plan_figures(run, archive, Beside(found), {})
    assert not {path.name for path in write_tables(archive, found, tmp_path)} & {"recovery.ecsv"}


def test_shares_count_what_they_say(archive: xr.Dataset, truth: np.ndarray) -> None:
    moved = truth.copy()
    moved[:4, 0] += 2.0  # catastrophic, and in no mode
    moved[5, 0] = 6.3  # in the second mode
    moved[6, 0] += 0.5
    found = recovery(archive, moved)
    n = archive.sizes["cluster"] - 1
    wrong = 4 + (abs(truth[5, 0] - 6.3) >= 1)
    assert found.clusters == n
    assert found.catastrophic == pytest.approx(wrong / n)
    assert found.catastrophic_best == pytest.approx(4 / n)
    assert found.close == pytest.approx((n - 5 - (abs(truth[5, 0] - 6.3) > 0.3)) / n)
    assert set(found.coverage) == {"log_age", "log_mass", "ebv"}
    assert found.flow == {}
    assert 0 < found.error(found.close) < 0.1


def test_intervals_of_the_flow_alone_are_counted_as_well(archive: xr.Dataset, truth: np.ndarray) -> None:
    wide = archive["quantile"].copy()
    wide[{"quantile": 0}], wide[{"quantile": 2}] = -np.inf, np.inf
    found = recovery(archive.assign(quantile_flow=wide), truth)
    assert found.flow == dict.fromkeys(("log_age", "log_mass", "ebv"), 1.0)
    assert found.coverage == recovery(archive, truth).coverage
    names = [line.name for line in recovery_numbers(found)]
    interval = "truth in the 68 % interval"
    assert names.index(f"{interval} of the flow alone, log age") > names.index(f"{interval}, E(B\u2212V)")


def test_without_truth_there_is_no_recovery(archive: xr.Dataset, truth: np.ndarray) -> None:
    assert recovery(archive, np.full_like(truth, np.nan)) is None


def test_the_best_mode_is_the_nearest(archive: xr.Dataset, truth: np.ndarray) -> None:
    truth = truth.copy()
    truth[5, 0] = 6.25
    assert best_mode(archive, truth)[5, 0] == pytest.approx(6.3)
