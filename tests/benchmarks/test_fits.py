"""How well MAPs fit real clusters, next to the best that any point of the prior could: an exhaustive grid fit.

HPCFLOW_RUNS=runs/legus-ngc1566:runs/legus-ngc628c pytest tests/benchmarks/test_fits.py -m benchmark
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from grid_fit import grid_fit
from hpcflow.config.load import load_config
from hpcflow.model.observe import Photometry, add_systematic
from hpcflow.stages.build import build_prior, build_simulator
from hpcflow.stages.input import read_catalogues
from hpcflow.stages.run import Run
from hpcflow.store.flags import POOR_CHI2
from printed import table
from tables import RUNS, fit_of, whole

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.benchmark


@pytest.mark.legus
@pytest.mark.parametrize(("name", "file"), [("ngc1566", "ngc1566"), ("ngc628c", "ngc628-c")])
def test_the_grid_fit_of_the_catalogues(
    name: str, file: str, legus: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    config = load_config(ROOT / "configs" / f"legus-{name}.yaml", [f"infer.catalogues=[{legus(file)}]"])
    seen = read_catalogues(config)
    sigma = add_systematic(seen.flux, seen.sigma, config.observe.systematic)
    photometry = Photometry(seen.flux, sigma, seen.observed, seen.given)
    fit = grid_fit(photometry, build_simulator(config), build_prior(config))
    every = seen.observed.all(axis=1)
    header = [
        "",
        "clusters",
        "with all bands",
        "median reduced chi^2 of the grid fit",
        "quartiles",
        f"above {POOR_CHI2:g}",
    ]
    with capsys.disabled():
        print("\n" + table(header, [[name, len(seen), every.sum(), *say(fit.chi2[every])]]))
    assert np.isfinite(fit.chi2).all()


@pytest.mark.parametrize("run", RUNS or [None], ids=str)
def test_no_map_of_an_archive_fits_better_than_the_grid(run: Path | None) -> None:
    if run is None:
        pytest.skip("HPCFLOW_RUNS names no run folder with an archive")
    ds = xr.open_zarr(Run(run).posteriors).load()
    ours = ds["chi2_map"].values
    every = whole(ds) & np.isfinite(ours)
    # the grid's steps are fine, but a MAP between two of them may fit better yet
    assert (ours[every] > fit_of(Run(run), ds).chi2[every] - 0.5).mean() > 0.99


def say(chi2: np.ndarray) -> list[str]:
    low, middle, high = np.quantile(chi2, [0.25, 0.5, 0.75])
    return [f"{middle:.3f}", f"{low:.2f}, {high:.2f}", f"{100 * np.mean(chi2 > POOR_CHI2):.1f} %"]
