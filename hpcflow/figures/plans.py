"""Which figures a run can have: a function that draws each, by the name of its file."""

from collections.abc import Callable, Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hpcflow.figures.calibration import coverage_plot, ecdf_differences, rank_histograms
from hpcflow.figures.chi2 import chi2_histogram, spectral_energy
from hpcflow.figures.comparison import (
    against_published,
    against_truth,
    chi2_of_both,
    deviation_and_width,
    inliers_by_galaxy,
)
from hpcflow.figures.flags import flags_and_bands
from hpcflow.figures.populations import population, population_by_galaxy
from hpcflow.figures.posteriors import corner
from hpcflow.figures.predictive import predictive_ranks, predictive_scatter
from hpcflow.figures.recovered import recovery_by_group
from hpcflow.figures.run import RunFolder
from hpcflow.figures.summary import has_posterior
from hpcflow.figures.training import training

__all__ = ["Plans", "plan_figures"]

Plans = dict[str, Callable[[], Figure]]
Truth = NDArray[np.floating] | None


def plan_figures(run: RunFolder, archive: xr.Dataset | None, truth: Truth, examples: Mapping[str, int]) -> Plans:
    """Return how to draw every figure for which the run has what it needs; nothing is drawn yet.

    Args:
        run: the run's parts.
        archive: its posteriors as `summarise` makes them.
        truth: (N, D) true parameters of the archive's clusters, NaN where unknown.
        examples: rows of the archive by what they are an example of.
    """
    plans = _stages(run)
    if archive is not None:
        plans["flags"] = lambda: flags_and_bands(archive)
        if has_posterior(archive).any():
            plans |= _photometry(run, archive, examples) | _populations(archive) | _comparisons(archive, truth)
    if run.posteriors is not None:
        plans |= _corners(run.posteriors, truth, examples)
    return plans


def _stages(run: RunFolder) -> Plans:
    plans: Plans = {}
    if (history := run.history) is not None:
        plans["training"] = lambda: training(history)
    if run.validation is not None:
        checked = run.validation.load()
        plans["calibration-ranks"] = lambda: rank_histograms(checked)
        plans["calibration-ecdf"] = lambda: ecdf_differences(checked)
        plans["calibration-coverage"] = lambda: coverage_plot(checked)
    return plans


def _photometry(run: RunFolder, archive: xr.Dataset, examples: Mapping[str, int]) -> Plans:
    plans: Plans = {
        "predictive-scatter": lambda: predictive_scatter(archive),
        "predictive-ranks": lambda: predictive_ranks(archive),
        "chi2": lambda: chi2_histogram(archive),
    }
    if examples:
        pivots = run.pivots([str(band) for band in archive["band"].values])
        plans["seds"] = lambda: spectral_energy(archive, examples, pivots)
    return plans


def _populations(archive: xr.Dataset) -> Plans:
    def whole(y: str) -> Callable[[], Figure]:
        return lambda: population(archive, "log_age", y)

    def by_galaxy(y: str) -> Callable[[], Figure]:
        return lambda: population_by_galaxy(archive, "log_age", y)

    names = set(archive["parameter"].values.tolist())
    plans: Plans = {}
    for y, short in (("log_mass", "mass"), ("ebv", "reddening")):
        if {"log_age", y} <= names:
            plans |= {f"age-{short}": whole(y), f"age-{short}-galaxies": by_galaxy(y)}
    return plans


def _comparisons(archive: xr.Dataset, truth: Truth) -> Plans:
    plans: Plans = {}
    if np.isfinite(archive["published"].values[has_posterior(archive)]).any():
        plans["published"] = lambda: against_published(archive)
        plans["published-galaxies"] = lambda: inliers_by_galaxy(archive)
        plans["published-widths"] = lambda: deviation_and_width(archive)
        if (np.isfinite(archive["published_chi2"].values) & np.isfinite(archive["chi2_map"].values)).any():
            plans["published-chi2"] = lambda: chi2_of_both(archive)
    if truth is not None:
        plans["truth"] = lambda: against_truth(archive, truth)
        if "log_age" in archive["parameter"].values:
            plans["truth-groups"] = lambda: recovery_by_group(archive, truth)
    return plans


def _corners(posteriors: xr.Dataset, truth: Truth, examples: Mapping[str, int]) -> Plans:
    def of(row: int) -> Callable[[], Figure]:
        known = None if truth is None else truth[row]
        return lambda: corner(posteriors.isel(cluster=row).load(), known)  # all samples of this cluster alone

    return {f"corner-{name.replace(' ', '-')}": of(row) for name, row in examples.items()}
