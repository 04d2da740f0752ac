"""How well MAPs fit real clusters, next to the best that any point of the prior could: an exhaustive grid fit.

HPCFLOW_RUNS=runs/legus-ngc1566:runs/legus-ngc628c make bench
"""

import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from grid_fit import Fit, grid_fit
from hpcflow.config.load import Config, load_config
from hpcflow.model.observe import Photometry, add_systematic
from hpcflow.stages.build import build_prior, build_simulator
from hpcflow.stages.infer import read_catalogues
from hpcflow.stages.run import Run

ROOT = Path(__file__).parents[2]
LEGUS = ROOT.parent / "shared" / "data" / "legus"
RUNS = [Path(run) for run in os.environ.get("HPCFLOW_RUNS", "").split(os.pathsep) if run]
ALL_BANDS = 5  # of a LEGUS cluster that lacks none
pytestmark = pytest.mark.benchmark


def fitted(config: Config, photometry: Photometry) -> Fit:
    return grid_fit(photometry, build_simulator(config), build_prior(config))


@pytest.mark.legus
@pytest.mark.parametrize(("name", "file"), [("ngc1566", "ngc1566"), ("ngc628c", "ngc628-c")])
def test_the_grid_fit_of_the_catalogues(name: str, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = sorted(LEGUS.glob(f"*_{file}_*.tab"))
    if not found:
        pytest.skip(f"the LEGUS catalogue of {file} is not at {LEGUS}")
    config = load_config(ROOT / "configs" / f"legus-{name}.yaml", [f"infer.catalogues=[{found[0]}]"])
    seen = read_catalogues(config)
    sigma = add_systematic(seen.flux, seen.sigma, config.observe.systematic)
    fit = fitted(config, Photometry(seen.flux, sigma, seen.observed, seen.distance))
    whole = seen.observed.sum(axis=1) == ALL_BANDS
    with capsys.disabled():
        print(f"\n{name}: {len(seen)} clusters, {whole.sum()} in {ALL_BANDS} bands: grid fit {say(fit.chi2[whole])}")
    assert np.isfinite(fit.chi2).all()


@pytest.mark.parametrize("run", RUNS or [None], ids=str)
def test_the_maps_of_an_archive(run: Path | None, capsys: pytest.CaptureFixture[str]) -> None:
    if run is None:
        pytest.skip("HPCFLOW_RUNS names no run folder with an archive")
    ds = xr.open_zarr(Run(run).posteriors).load()
    photometry = Photometry(*(ds[name].values for name in ("flux", "sigma", "observed", "distance")))
    fit, ours = fitted(Run(run).config(), photometry), ds["chi2_map"].values
    whole = (photometry.observed.sum(axis=1) == ALL_BANDS) & np.isfinite(ours)
    excess = np.median(ours[whole]) / np.median(fit.chi2[whole]) - 1
    with capsys.disabled():
        print(f"\n{run}: {whole.sum()} clusters in {ALL_BANDS} bands, reduced chi^2")
        print(f"  of the archive's MAP {say(ours[whole])}\n  of the grid fit      {say(fit.chi2[whole])}")
        print(f"  its median is {excess:+.1%} from the grid's")
    # the grid's steps are fine, but a MAP between two of them may fit better yet
    assert (ours[whole] > fit.chi2[whole] - 0.5).mean() > 0.99


def say(chi2: np.ndarray) -> str:
    low, middle, high = np.quantile(chi2, [0.25, 0.5, 0.75])
    return f"median {middle:.3f} (quartiles {low:.2f}, {high:.2f}; above 10 {np.mean(chi2 > 10):.1%})"
