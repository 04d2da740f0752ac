"""The figures that a run can have: functions that draw them, by file name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hpcflow.figures.by_galaxy import published_by_galaxy
from hpcflow.figures.calibration import coverage_plot, ecdf_differences, joint_coverage, rank_histograms
from hpcflow.figures.chi2 import chi2_histogram, spectral_energy
from hpcflow.figures.comparison import (
    against_published,
    against_truth,
    chi2_of_both,
    deviation_and_width,
    inliers_by_galaxy,
)
from hpcflow.figures.flags import flags_and_bands
from hpcflow.figures.noise import relative_errors
from hpcflow.figures.populations import population, population_by_galaxy
from hpcflow.figures.posteriors import corner
from hpcflow.figures.predictive import predictive_ranks, predictive_scatter
from hpcflow.figures.recovery import recovery_by_group
from hpcflow.figures.sky import flag_map, has_places
from hpcflow.figures.strata import distance_histograms, strata_plot
from hpcflow.figures.training import training
from hpcflow.figures.weights import efficiencies
from hpcflow.stages.look.folder import RunFolder
from hpcflow.store.kind import close, leading, source_of
from hpcflow.store.summary import has_posterior

__all__ = ["Beside", "Plans", "plan_figures"]

Plans = dict[str, Callable[[], Figure]]
Truth = NDArray[np.floating] | None


@dataclass(frozen=True)
class Beside:
    """What figures compare the archive with.

    Args:
        truth: (N, D) true parameters of the archive's clusters, NaN where unknown.
        exact: (n, D) samples of the exact posterior by row of the archive.
        errors: (n,) relative errors as training drew them.
    """

    truth: Truth = None
    exact: Mapping[int, NDArray[np.floating]] = field(default_factory=dict)
    errors: NDArray[np.floating] | None = None


def plan_figures(run: RunFolder, archive: xr.Dataset | None, beside: Beside, examples: Mapping[str, int]) -> Plans:
    """Return a function per figure for which the run has the data; nothing is drawn yet.

    Args:
        run: the run's parts.
        archive: its posteriors as returned by `summarise`.
        beside: what to compare them with.
        examples: rows of the archive, by the name of what they exemplify.
    """
    plans = _stages(run)
    if archive is not None:
        plans |= _catalogue(archive, beside.errors)
        if has_posterior(archive).any():
            plans |= _photometry(run, archive, examples) | _populations(archive) | _comparisons(archive, beside.truth)
        if len(np.unique(archive["galaxy"].values)) == 1:  # the figures of all clusters show the same
            plans = {name: draw for name, draw in plans.items() if not name.endswith("-galaxies")}
    if run.posteriors is not None:
        plans |= _corners(run.posteriors, beside, examples)
    return plans


def _catalogue(archive: xr.Dataset, errors: NDArray[np.floating] | None) -> Plans:
    plans: Plans = {"flags": lambda: flags_and_bands(archive)}
    if has_places(archive) and has_posterior(archive).any():
        plans["flag-map"] = lambda: flag_map(archive)
    if errors is not None:
        plans["errors"] = lambda: relative_errors(archive, errors)
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
        plans["calibration-joint"] = lambda: joint_coverage(checked)
        plans["calibration-strata"] = lambda: strata_plot(checked)
        if np.isfinite(checked["kl"].values).any():
            plans["calibration-distances"] = lambda: distance_histograms(checked)
    return plans


def _photometry(run: RunFolder, archive: xr.Dataset, examples: Mapping[str, int]) -> Plans:
    plans: Plans = {
        "predictive-scatter": lambda: predictive_scatter(archive),
        "predictive-ranks": lambda: predictive_ranks(archive),
        "chi2": lambda: chi2_histogram(archive),
    }
    if "efficiency" in archive and np.isfinite(archive["efficiency"].values).any():
        plans["weights"] = lambda: efficiencies(archive)
    if examples:
        pivots = run.pivots([str(band) for band in archive["band"].values])
        plans["seds"] = lambda: spectral_energy(archive, examples, pivots)
    return plans


def _populations(archive: xr.Dataset) -> Plans:
    def whole(x: str, y: str) -> Callable[[], Figure]:
        return lambda: population(archive, x, y)

    def by_galaxy(x: str, y: str) -> Callable[[], Figure]:
        return lambda: population_by_galaxy(archive, x, y)

    names, source = set(archive["parameter"].values.tolist()), source_of(archive.attrs)
    plans: Plans = {}
    for name, (x, y) in (source.planes if source else {}).items():
        if {x, y} <= names:
            plans |= {name: whole(x, y), f"{name}-galaxies": by_galaxy(x, y)}
    return plans


def _comparisons(archive: xr.Dataset, truth: Truth) -> Plans:
    plans: Plans = {}
    if np.isfinite(archive["published"].values[has_posterior(archive)]).any():
        plans["published"] = lambda: against_published(archive)
        plans["published-inliers"] = lambda: inliers_by_galaxy(archive)
        plans["published-widths"] = lambda: deviation_and_width(archive)
        if (np.isfinite(archive["published_chi2"].values) & np.isfinite(archive["chi2_map"].values)).any():
            plans["published-chi2"] = lambda: chi2_of_both(archive)
        if np.isfinite(archive["published"].sel(parameter=leading(archive.attrs)).values[has_posterior(archive)]).any():
            plans["published-galaxies"] = lambda: published_by_galaxy(archive)
    if truth is not None:
        plans["truth"] = lambda: against_truth(archive, truth)
        known = np.isfinite(truth[has_posterior(archive)]).all(axis=1).any()
        if known and np.isfinite(close(archive.attrs, leading(archive.attrs))):
            plans["truth-groups"] = lambda: recovery_by_group(archive, truth)
    return plans


def _corners(posteriors: xr.Dataset, beside: Beside, examples: Mapping[str, int]) -> Plans:
    def of(row: int) -> Callable[[], Figure]:
        known = None if beside.truth is None else beside.truth[row]
        # loads the samples of this cluster only
        return lambda: corner(posteriors.isel(cluster=row).load(), known, beside.exact.get(row))

    return {f"corner-{name.replace(' ', '-')}": of(row) for name, row in examples.items()}
