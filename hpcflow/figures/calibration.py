"""Simulation-based calibration: rank histograms, ECDF differences and coverage of held-out simulations."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hpcflow.calibration.findings import joint, statistics
from hpcflow.calibration.uniformity import Binned, binned, coverage, ecdf_difference, simultaneous
from hpcflow.calibration.words import JOINT
from hpcflow.figures.style import COLUMN, PALETTE, WIDE, grid, short_label, styled

__all__ = ["coverage_plot", "draw_ranks", "ecdf_differences", "joint_coverage", "rank_histograms"]

BINS = 20
LEVELS = np.linspace(0.02, 0.98, 49)
TICKS = (0.2, 0.4, 0.6, 0.8)  # not at the ends, where tick labels of neighbouring panels would overlap


@styled
def rank_histograms(validation: xr.Dataset) -> Figure:
    """Draw a rank histogram for each statistic, with the +-1 sigma band of uniform ranks.

    Args:
        validation: dataset with `rank` (simulation, parameter), `rank_product` (simulation, statistic) and the
            attribute `samples`.
    """
    ranks = statistics(validation)
    figure, axes = grid(len(ranks), 3, WIDE, 1.75, sharex=True, sharey=True)
    histograms = [binned(rank, BINS, _samples(validation)) for rank in ranks.values()]
    for axis, name, histogram in zip(axes, ranks, histograms, strict=True):
        draw_ranks(axis, histogram)
        axis.set_title(short_label(name))
    _symmetric(axes, np.concatenate([np.stack([h.ratio - 1, 3 * h.sigma]) for h in histograms], axis=None), 1.0)
    figure.supxlabel("rank of the truth among posterior samples (share below it)", size="medium")
    figure.supylabel("simulations per bin / uniform expectation", size="medium")
    return figure


@styled
def ecdf_differences(validation: xr.Dataset) -> Figure:
    """Draw the ECDF of each statistic's ranks minus the uniform CDF, with the bands of uniform ranks.

    The dark band spans 1-99 % at each point; the light band contains 98 % of curves in full.

    Args:
        validation: as for `rank_histograms`.
    """
    ranks = statistics(validation)
    figure, axes = grid(len(ranks), 3, WIDE, 1.75, sharex=True, sharey=True)
    curves = [ecdf_difference(rank, _samples(validation)) for rank in ranks.values()]
    for axis, name, (z, difference, low, high) in zip(axes, ranks, curves, strict=True):
        _whole_band(axis, ranks[name], _samples(validation))
        axis.fill_between(z, low, high, color="0.82", lw=0)
        axis.axhline(0, color="0.55", lw=0.6)
        axis.plot(z, difference, color=PALETTE["blue"])
        axis.set_title(short_label(name))
        axis.set_xlim(0, 1)
        axis.set_xticks(TICKS)
    _symmetric(axes, np.concatenate([curve[1:].ravel() for curve in curves]), 0.0)
    figure.supxlabel("rank of the truth among posterior samples (share below it)", size="medium")
    figure.supylabel("ECDF $-$ uniform CDF", size="medium")
    return figure


@styled
def coverage_plot(validation: xr.Dataset) -> Figure:
    """Draw the coverage of central intervals against their level, and the difference of the two.

    Args:
        validation: dataset with `rank` (simulation, parameter) and the attribute `samples`.
    """
    figure = Figure(figsize=(COLUMN * 1.25, 4.6), layout="constrained")
    whole, rest = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.3))
    whole.plot([0, 100], [0, 100], color="0.55", lw=0.6)
    rest.axhline(0, color="0.55", lw=0.6)
    colours = list(PALETTE.values())
    for i, name in enumerate(validation["parameter"].values):
        rank = validation["rank"].sel(parameter=name).values
        level, inside, sigma = 100 * coverage(rank, LEVELS, _samples(validation))
        style = {"color": colours[i % len(colours)], "ls": ("-", "--", "-.", ":")[i % 4]}
        whole.plot(level, inside, label=short_label(str(name)), **style)
        rest.plot(level, inside - level, **style)
        if i == 0:  # all parameters have the same number of simulations
            rest.fill_between(level, -sigma, sigma, color="0.88", lw=0)
    whole.set_ylabel("truths inside / %")
    whole.set_xlim(0, 100)
    whole.set_ylim(0, 100)
    whole.legend(loc="upper left")
    rest.set_ylabel("difference / %")
    rest.set_xlabel("level of the central interval / %")
    figure.align_ylabels()
    return figure


@styled
def joint_coverage(validation: xr.Dataset) -> Figure:
    """Draw the joint coverage of all parameters minus its level, for regions of highest density and for TARP.

    Args:
        validation: dataset with `denser` and `nearer` (simulation,) and the attribute `samples`.
    """
    figure = Figure(figsize=(COLUMN * 1.25, 2.6), layout="constrained")
    axis = figure.subplots()
    samples = _samples(validation)
    reach = 0.0
    for i, ((key, rank), colour) in enumerate(zip(joint(validation).items(), ("blue", "vermillion"), strict=True)):
        z, difference, _, _ = ecdf_difference(rank, samples)
        if i == 0:  # both have the same number of simulations
            _whole_band(axis, rank, samples, 100)
        axis.plot(100 * z, 100 * difference, color=PALETTE[colour], ls=("-", "--")[i], label=JOINT[key])
        reach = max(reach, 130 * float(np.abs(difference).max()))
    axis.axhline(0, color="0.55", lw=0.6)
    axis.set_xlim(0, 100)
    axis.set_ylim(-max(reach, 1.0), max(reach, 1.0))
    axis.set_xlabel("level of the region / %")
    axis.set_ylabel("truths inside $-$ level / %")
    axis.legend(loc="best")
    return figure


def _whole_band(axis: Axes, rank: NDArray[np.floating], samples: int, unit: float = 1) -> None:
    """Shade the band that contains 98 % of the curves of uniform ranks in full, scaled by `unit`."""
    z, _, low, high = unit * simultaneous(rank, samples)
    axis.fill_between(z, low, high, color="0.92", lw=0)


def draw_ranks(axis: Axes, histogram: Binned, colour: str = "blue") -> None:
    """Draw a rank histogram over the +-1 sigma band of uniform ranks."""
    edges, sigma = histogram.edges, histogram.sigma
    last = np.append(sigma, sigma[-1])  # a step plot needs a value at the last edge too
    axis.fill_between(edges, 1 - last, 1 + last, step="post", color="0.88", lw=0)
    axis.axhline(1, color="0.55", lw=0.6)
    axis.stairs(histogram.ratio, edges, color=PALETTE[colour], lw=1.2, baseline=None)
    axis.set_xlim(0, 1)
    axis.set_xticks(TICKS)


def _symmetric(axes: list[Axes], values: NDArray[np.floating], centre: float) -> None:
    reach = 1.15 * float(np.abs(values[np.isfinite(values)]).max(initial=0.0)) or 1.0
    for axis in axes:
        axis.set_ylim(centre - reach, centre + reach)


def _samples(validation: xr.Dataset) -> int:
    return int(validation.attrs.get("samples", 0))
