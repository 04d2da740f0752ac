"""A flow that sees bands as a set is asked about any bands, and the archive says which filters it has never seen."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from astropy.table import Table

import hpcflow
from hpcflow.compute.where import InProcess
from hpcflow.config.load import Config, load_config
from hpcflow.stages.build import simulator_over
from hpcflow.stages.infer import infer
from hpcflow.stages.run import Run
from hpcflow.stages.simulate import simulate
from hpcflow.stages.train import train_flow
from hpcflow.store.flags import Flag

BANDS = {"V": "WFC3_UVIS.F555W", "NUV": "WFC3_UVIS.F275W", "J": "WFC3_IR.F110W"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, write_config: Callable[..., Path]) -> tuple[Config, Run]:
    """Give the config and the run of a flow for subsets of five bands."""
    folder = tmp_path_factory.mktemp("set")
    train = {
        "embedding": "set",
        "flow": {"family": "autoregressive", "hidden": 8, "embedding_hidden": 16, "embedding_layers": 1},
        "batch": 128,
        "steps": 20,
        "validate_every": 10,
        "exact": 30,
    }
    config = load_config(write_config(folder, train=train, observe={"subset": [3, 4]}))
    run = Run(folder / "run")
    simulate(config, run, InProcess())
    train_flow(config, run, 1)
    return config, run


@pytest.fixture
def objects(trained: tuple[Config, Run]) -> Table:
    """Give a catalogue of twenty clusters in three bands, of which the flow knows two."""
    config, _ = trained
    rng = np.random.default_rng(1)
    theta = np.column_stack([rng.uniform(6.5, 9.5, 20), rng.uniform(0, 0.5, 20)])
    flux = simulator_over(config, ("log_age", "ebv"), BANDS)(theta) * 10**4.5 * 1e-12
    seen = flux * (1 + 0.05 * rng.standard_normal(flux.shape))
    columns = {
        f"{band}_{of}": a[:, k] for k, band in enumerate(BANDS) for of, a in (("flux", seen), ("err", 0.05 * flux))
    }
    rows = Table({"cluster_id": np.arange(20), "galaxy": ["ngc1566"] * 20, "distance": np.full(20, 10.0), **columns})
    rows["J_flux"][:5] = rows["J_err"][:5] = np.nan
    return rows


def test_unseen_filters_are_flagged(trained: tuple[Config, Run], objects: Table, tmp_path: Path) -> None:
    _, run = trained
    objects.write(tmp_path / "own.csv")
    named = f"{{{', '.join(f'{band}: {curve}' for band, curve in BANDS.items())}}}"
    sets = [f"infer.catalogues={tmp_path / 'own.csv'}", f"infer.flow={run.path}", f"model.bands={named}"]
    own = Run(tmp_path / "own")
    infer(load_config(run.path.parent / "tiny.yaml", sets), own, InProcess())
    with xr.open_zarr(own.posteriors) as ds:
        assert np.isfinite(ds["map"].values).all()
        assert ((ds["flag"].values & Flag.UNSEEN_FILTER) > 0).tolist() == [False] * 5 + [True] * 15


def test_python_asks_about_any_band_too(trained: tuple[Config, Run], objects: Table) -> None:
    _, run = trained
    flux, error = (np.column_stack([objects[f"{band}_{of}"] for band in BANDS]) for of in ("flux", "err"))
    post = hpcflow.load(run.path / "flow").posterior(flux, error, bands=BANDS, unit="mJy", distance_mpc=10)
    assert np.isfinite(np.asarray(post.quantile(0.5))).all()
