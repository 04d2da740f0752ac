"""Faint bands: posteriors of runs on mocks, and, on made-up archives, whether they would be caught if wrong.

HPCFLOW_RUNS=runs/demo pytest tests/benchmarks/test_faint.py -m benchmark
"""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from astropy.table import Table

from faint import judge, known_truth, printed, ranks
from hpcflow.base.partitions import rng_for
from hpcflow.calibration.recovery import find_truth
from hpcflow.sources.cluster.population import Population
from hpcflow.stages.mock import recognised
from hpcflow.stages.run import Run
from hpcflow.store.flags import Flag, Reason
from tables import RUNS

N, SAMPLES = 3000, 4000
SIGMA = np.array([0.3, 0.2, 0.05])
NAMES = ["log_age", "log_mass", "ebv"]
FLUX = {"all bands with r* < 0.35": 5.0, "r* 0.35-0.5 in the worst band": 2.5, "some band with r* > 0.5": 1.5}
SHARES = {"holds_68": (0.66, 0.70), "holds_95": (0.935, 0.965)}
ALLOWED = 0.005  # failures without a flag


def made(width: float = 1.0) -> tuple[xr.Dataset, np.ndarray]:
    """Return posteriors, flat prior times a normal likelihood, of mock clusters; too narrow for a width below 1."""
    rng = rng_for(1, "faint")
    drawn = Population().sample(20 * N, rng)
    kept = np.flatnonzero(rng.random(20 * N) < recognised(drawn["log_age"]))[:N]
    truth = np.stack([drawn[name][kept] for name in NAMES], axis=1)
    seen = truth + SIGMA * rng.standard_normal(truth.shape)
    theta = seen[:, None] + width * SIGMA * rng.standard_normal((N, SAMPLES, 3))
    kind = np.array(list(FLUX.values()))[np.arange(N) % len(FLUX)]
    flux = np.stack([np.full(N, 10.0), kind], axis=1)
    reason = np.full((N, 2), Reason.OK)
    flux[::20, 1], flux[10::20, 1], reason[10::20, 1] = -0.5, np.nan, Reason.NEGATIVE  # used, or masked
    archive = xr.Dataset(
        {
            "theta": (("cluster", "sample", "parameter"), theta),
            "map": (("cluster", "parameter"), seen),
            "flag": ("cluster", np.zeros(N, dtype=np.int32)),
            "flux": (("cluster", "band"), flux),
            "sigma": (("cluster", "band"), np.ones((N, 2))),
            "reason": (("cluster", "band"), reason),
        },
        coords={"parameter": NAMES},
    )
    return archive, truth


def test_right_posteriors_hold_what_they_should() -> None:
    found = judge(*made())
    assert sum(one.clusters for name, one in found.items() if name != "all") == found["all"].clusters == N
    assert found["a negative flux"].clusters == N // 10
    for name, one in found.items():
        assert one.clusters > 200, name
        assert one.holds_68 == pytest.approx(0.68, abs=4 * np.sqrt(0.68 * 0.32 / one.clusters)), name
        assert one.holds_95 == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / one.clusters)), name
        assert one.failed < ALLOWED, name


def test_narrow_posteriors_are_caught() -> None:
    found = judge(*made(width=0.6))
    assert all(one.holds_68 < 0.6 for one in found.values())
    assert all(one.holds_95 < 0.9 for one in found.values())


def test_truths_rank_evenly_only_under_their_own_population() -> None:
    archive, truth = made()
    low, high = np.array([6.0, 2.5, 0.0]), np.array([10.1383, 7.0, 1.5])
    prior = low + (high - low) * rng_for(2, "faint").random((N, SAMPLES, 3))  # what a flow says that sees nothing
    blind = archive.assign(theta=(("cluster", "sample", "parameter"), prior))
    error = 1 / np.sqrt(12 * N)
    assert ranks(blind, truth)[0].mean() == pytest.approx(0.5, abs=4 * error)
    assert abs(ranks(blind, truth, flat=True)[0].mean() - 0.5) > 6 * error


def test_wrong_ages_fail_unless_they_are_flagged_or_the_truth_is_inside() -> None:
    archive, truth = made()
    shift = np.outer(np.where(truth[:, 0] < 8, 2.0, -2.0), [1, 0, 0])
    off = archive.assign(
        map=(("cluster", "parameter"), truth),
        theta=archive["theta"] + xr.DataArray(shift, dims=("cluster", "parameter")),
    )
    wrong = off.assign(map=off["map"] + xr.DataArray(shift, dims=("cluster", "parameter")))
    assert judge(wrong, truth)["all"].failed > 0.9
    assert judge(off, truth)["all"].failed == 0  # the MAP is right
    for flag, doubts in ((Flag.UNLIKELY, True), (Flag.UPPER_LIMIT, False)):
        flagged = wrong.assign(flag=xr.full_like(wrong["flag"], flag.value))
        assert (judge(flagged, truth)["all"].failed == 0) == doubts


def test_clusters_beyond_the_population_are_counted() -> None:
    archive, truth = made()
    found = judge(archive.assign(theta=archive["theta"] + xr.DataArray([0.0, 9.0, 0.0], dims="parameter")), truth)
    assert found["all"].few == 1
    assert np.isfinite(found["all"].holds_68)


def test_an_archive_is_judged_by_its_truth_but_for_globulars(inferred: Run) -> None:
    archive, truth = xr.open_zarr(inferred.posteriors), inferred.path.parent / "mock_truth.fits"
    known = np.isfinite(known_truth(archive, truth)).all(axis=1)
    globular = np.asarray(Table.read(truth)["component"].astype(str)) == "globular"
    assert 0 < globular.sum() == (~known).sum()
    found = judge(archive, known_truth(archive, truth))
    assert 0 < found["all"].clusters <= known.sum()
    assert printed(found).count("\n") == 6


@pytest.mark.benchmark
@pytest.mark.parametrize("run", RUNS or [None], ids=str)
def test_the_posteriors_of_a_run_are_right_where_bands_are_faint(
    run: Path | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if run is None:
        pytest.skip("HPCFLOW_RUNS names no run folder with an archive of a mock")
    archive = xr.open_zarr(Run(run).posteriors)
    (truth,) = find_truth(Run(run).config().infer.catalogues, run)
    found = judge(archive, known_truth(archive, truth))
    with capsys.disabled():
        print("\n" + printed(found))
    for name, one in found.items():
        for what, (low, high) in SHARES.items():
            share = getattr(one, what)
            error = 2 * np.sqrt(share * (1 - share) / one.clusters)
            assert low - error <= share <= high + error, (name, what)
    assert found["all"].failed < ALLOWED
