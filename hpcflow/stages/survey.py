"""A mock of the whole survey, in the file formats at MAST: with human and machine classes, and published fits."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.catalogues.mast import SAMPLE
from hpcflow.catalogues.phangs import Classes, write_phangs, write_sed
from hpcflow.model.observe import Photometry, add_systematic
from hpcflow.model.simulator import Simulator
from hpcflow.sources.cluster.grid_fit import GridFit, grid_fit
from hpcflow.sources.cluster.parameters import LOG_MASS
from hpcflow.sources.cluster.population import SOLAR
from hpcflow.stages.mock import Drawn, draw_mock, write_truth

__all__ = ["FORMS", "make_survey"]

FORMS = ("dr5", "v1", "candidates")

HUMAN_SHARE = 15_528 / 36_307  # of machine-classified class 1 and 2 clusters, those with a human class (DR5)
AGREE = 0.8  # assumed share of clusters with the same class by both, about the published one
OTHERS = 0.75  # share of candidates in class 3 or 4
SYSTEMATIC = 0.1  # in the survey's own fits
NONE = -999  # the class of unclassified clusters
GALAXY = "hlsp_phangs-cat_hst_{}_{}_multi_v1_{}-{}-cluster-class12.fits"
CANDIDATES = "hlsp_phangs-cat_hst_acs-uvis_all_multi_v1_obs-sed-candidates.fits"
Rows = NDArray[np.bool_]


def make_survey(
    simulator: Simulator,
    bands: Mapping[str, str],
    n: int,
    seed: int,
    out_dir: str | Path,
    form: str,
    *,
    systematic: float | Mapping[str, float] = 0.05,
    metallicity: float = SOLAR,
) -> list[Path]:
    """Write a mock of the survey, with the true parameters in `NAME_truth.fits` beside every catalogue.

    The clusters are those of `make_mock`. All have a machine class, and four in ten a human class, which is the same
    for four in five. The published fits are grid fits (`grid_fit`) with the same simulator, one metallicity for all
    clusters and a systematic of 10 %.

    Args:
        simulator: as for `make_mock`.
        bands: the config's bands.
        n: number of clusters of machine class 1 or 2, or of all classes for `candidates`.
        seed: seed of all random numbers.
        out_dir: output folder, created if missing.
        form: `dr5`: two tables of the whole sample with fits, one per classifier (human, machine); `v1`: an `obs` and
            a `sed` table per galaxy and classifier; `candidates`: one table of all classes, with fits.
        systematic: as for `make_mock`.
        metallicity: as for `make_mock`; the fits have it, too.

    Returns:
        the files.

    Raises:
        InputError: as for `make_mock`, or if the simulator takes the mass, so that it can fit no grid.
    """
    if LOG_MASS in simulator.parameters:
        raise InputError(
            f"mock.form: {form} has published fits, which need a simulator of one solar mass; set mock.form to plain, "
            "or model.simulator to ssp"
        )
    drawn = draw_mock(simulator, bands, n, seed, systematic=systematic, metallicity=metallicity)
    classes = _classes(len(drawn.galaxy), form == "candidates", drawn.rng)
    fit = _fit(simulator, drawn, metallicity)
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    if form == "candidates":
        return _write(folder / CANDIDATES, None, drawn, classes, fit, np.full(len(drawn.galaxy), True))
    written: list[Path] = []
    human = classes.human > 0
    for who, rows in (("human", human), ("machine", np.full(len(human), True))):
        if form == "dr5":
            written += _write(folder / SAMPLE.format(who, "class1+2"), None, drawn, classes, fit, rows)
            continue
        for galaxy in np.unique(drawn.galaxy[rows]).tolist():
            cameras = "acs-uvis" if drawn.has_acs(galaxy) else "uvis"
            obs, sed = (folder / GALAXY.format(cameras, galaxy.lower(), kind, who) for kind in ("obs", "sed"))
            written += _write(obs, sed, drawn, classes, fit, rows & (drawn.galaxy == galaxy))
    return written


def _classes(n: int, candidates: bool, rng: np.random.Generator) -> Classes:
    machine = rng.integers(1, 3, n)
    if candidates:
        machine = np.where(rng.random(n) < OTHERS, rng.integers(3, 5, n), machine)
    other = 3 - machine if not candidates else rng.integers(1, 5, n)
    human = np.where(rng.random(n) < AGREE, machine, other)
    inspected = rng.random(n) < HUMAN_SHARE
    return Classes(np.where(inspected, human, NONE), machine, 0.5 + 0.5 * rng.random(n))


def _fit(simulator: Simulator, drawn: Drawn, metallicity: float) -> GridFit:
    """Return the mock's published fits, computed for one set of filter curves at a time."""
    found = np.full((len(GridFit._fields), len(drawn.galaxy)), np.nan)
    for curves, rows in drawn.by_curves():
        columns = [simulator.bands.index(curve) for curve in curves]
        flux, sigma = (
            np.stack([values[curve.partition(".")[2]][rows] for curve in curves], axis=1)
            for values in (drawn.flux, drawn.sigma)
        )
        with np.errstate(invalid="ignore"):
            used = np.isfinite(flux) & (flux > 0)
        seen = Photometry(flux, add_systematic(flux, sigma, SYSTEMATIC), used, drawn.distance[rows][:, None])
        found[:, rows] = grid_fit(seen, simulator, columns, metallicity)
    return GridFit(*found)


def _write(path: Path, sed: Path | None, drawn: Drawn, classes: Classes, fit: GridFit, rows: Rows) -> list[Path]:
    """Write some rows as a catalogue, with fits in it or in a `sed` table, and the true parameters beside it."""
    some, fits = drawn.select(rows), GridFit(*(values[rows] for values in fit))
    truth = path.with_name(path.name.removesuffix(".fits") + "_truth.fits")
    write_truth(truth, some)
    if sed is not None:
        write_sed(sed, some.galaxy, some.number, fits._asdict())
    write_phangs(
        path,
        galaxy=some.galaxy,
        cluster_id=some.number,
        ra=some.ra,
        dec=some.dec,
        flux=some.flux,
        sigma=some.sigma,
        cluster_class=classes.human[rows],
        machine=Classes(classes.human[rows], classes.machine[rows], classes.quality[rows]),
        fits=None if sed is not None else fits._asdict(),
        vega=True,
    )
    return [path, *([sed] if sed is not None else []), truth]
