"""The main job on real clusters: the shipped LEGUS configs, as a user runs them.

Skipped, by name, where the catalogues are not beside the checkout.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from clusters import photometry_of
from grid_fit import grid_fit
from hpcflow.compute.where import Here
from hpcflow.config.load import load_config
from hpcflow.stages.build import build_prior, build_simulator
from hpcflow.stages.infer import infer
from hpcflow.stages.init import shipped_configs
from hpcflow.stages.report import make_report
from hpcflow.stages.run import Run
from hpcflow.stages.simulate import simulate
from hpcflow.stages.train import train_flow


@pytest.mark.slow
@pytest.mark.legus
@pytest.mark.parametrize(("name", "file", "clusters"), [("ngc1566", "ngc1566", 875), ("ngc628c", "ngc628-c", 679)])
def test_every_real_cluster_has_a_posterior_that_fits(
    name: str, file: str, clusters: int, legus: Callable[[str], Path], tmp_path: Path
) -> None:
    config = load_config(shipped_configs()[f"legus-{name}"], [f"infer.catalogues=[{legus(file)}]"])
    run = Run(tmp_path / name)
    simulate(config, run, Here(2))
    train_flow(config, run)
    infer(config, run, Here(2))
    ds = xr.open_zarr(run.posteriors).load()
    complete = ds["observed"].values.all(axis=1)
    assert complete.sum() == clusters
    assert np.isfinite(ds["theta"].values[complete]).all()
    assert np.isfinite(ds["theta"].values).all()  # those with a missing band as well
    rows = np.flatnonzero(complete)[::5]  # a fifth of them: the grid takes longest
    photometry = photometry_of(ds.isel(cluster=rows))
    grid = grid_fit(photometry, build_simulator(config), build_prior(config))
    assert np.median(ds["chi2_map"].values[rows]) <= 1.02 * np.median(grid.chi2)
    assert np.median(ds["efficiency"]) > 0.3
    assert make_report(run.path).is_file()
