"""Bands that are not detected, the whole way: a table with fluxes below zero, and the noise that makes them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from astropy.table import Table

from clusters import cluster_observer
from hpcflow.compute.where import InProcess
from hpcflow.config.load import load_config
from hpcflow.stages.build import build_prior, build_simulator
from hpcflow.stages.infer import infer
from hpcflow.stages.run import Run
from hpcflow.stages.simulate import simulate
from hpcflow.stages.train import train_flow
from hpcflow.store.flags import Flag, Reason

N = 60


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory, write_config: Callable[..., Path]) -> dict[str, xr.Dataset]:
    """Infer one table under either noise; return the archives by it."""
    folder = tmp_path_factory.mktemp("limits")
    path = write_config(folder)
    config, rng = load_config(path), np.random.default_rng(1)
    theta = build_prior(config).sample(N, rng)
    seen = cluster_observer("normal", (0.05, 0.5), (17.69, 17.7), undetected=0.3)(
        build_simulator(config)(theta[:, [0, 2]]), theta[:, 1], rng
    )
    columns: dict[str, object] = {"galaxy": ["NGC1566"] * N}
    for band, flux, sigma in zip(config.model.bands, seen.flux.T, seen.sigma.T, strict=True):
        columns |= {f"{band}_flux": flux, f"{band}_err": sigma}
    Table(columns).write(folder / "limits.csv")
    found = {}
    for noise in ("lognormal", "normal"):
        sets = [f"observe.noise={noise}", f"infer.catalogues=[{folder / 'limits.csv'}]", "infer.check_units=false"]
        config, run = load_config(path, sets), Run(folder / noise)
        simulate(config, run, InProcess())
        train_flow(config, run, 1)
        infer(config, run, InProcess())
        found[noise] = xr.open_zarr(run.posteriors).load()
    return found


def test_log_normal_noise_leaves_them_out(archives: dict[str, xr.Dataset]) -> None:
    archive = archives["lognormal"]
    reason = archive["reason"].values
    lost = np.isin(reason, (Reason.NEGATIVE, Reason.FAINT))
    assert (reason == Reason.NEGATIVE).any()
    assert (reason == Reason.FAINT).any()
    assert (archive["observed"].values != lost).all()
    flag = archive["flag"].values
    np.testing.assert_array_equal((flag & Flag.NOT_DETECTED) > 0, lost.any(axis=1))
    assert (flag & Flag.UPPER_LIMIT == 0).all()


def test_normal_noise_takes_them_as_limits(archives: dict[str, xr.Dataset]) -> None:
    archive = archives["normal"]
    flux, sigma, flag = (archive[name].values for name in ("flux", "sigma", "flag"))
    assert archive["observed"].values.all()
    assert (flux <= 0).any()
    np.testing.assert_array_equal((flag & Flag.UPPER_LIMIT) > 0, (flux < sigma).any(axis=1))
    assert (flag & (Flag.NOT_DETECTED | Flag.FAILED) == 0).all()
    for name in ("theta", "map", "chi2_map", "predictive_mean", "predictive_rank", "entropy"):
        assert np.isfinite(archive[name].values).all()
