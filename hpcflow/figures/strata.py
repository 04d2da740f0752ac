"""Diagnostics by stratum, and the distances of the flow from the exact posterior cluster by cluster."""

from collections.abc import Callable, Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hpcflow.calibration.findings import Finding, Stratum, by_stratum
from hpcflow.figures.style import PALETTE, WIDE, plain, short_label, styled

__all__ = ["distance_histograms", "strata_plot"]

FEWEST = 50  # simulations in a stratum that is shown; chance allows anything in smaller ones


@styled
def strata_plot(validation: xr.Dataset) -> Figure:
    """Draw each diagnostic for all held-out simulations and for every stratum, with the range that chance allows.

    Args:
        validation: the calibration record.
    """
    found = {name: stratum for name, stratum in by_stratum(validation).items() if name == "all" or stratum.n >= FEWEST}
    compared = found["all"].gap is not None
    columns = 4 if compared else 2
    figure = Figure(figsize=(WIDE, 0.19 * len(found) + 1.0), layout="constrained")
    axes = list(figure.subplots(1, columns, sharey=True))
    _differences(axes[0], found)
    _coverages(axes[1], found)
    if compared:
        _means(axes[2], found, lambda s: s.gap, "gap to the exact\nposterior / nat", 0.0)
        _means(axes[3], found, lambda s: s.c2st, "C2ST accuracy\n(dimensionless)", 0.5)
    names = [plain(f"{name} ({s.n})") for name, s in found.items()]
    axes[0].set_yticks(np.arange(len(found)), names, fontsize="x-small")
    axes[0].set_ylim(len(found) - 0.4, -0.6)
    handles = [handle for axis in axes[:2] for handle in axis.get_legend_handles_labels()[0]]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, columnspacing=1.2, handletextpad=0.4)
    for axis in axes:
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="y", color="0.93", lw=0.5)
        axis.set_axisbelow(True)
    return figure


@styled
def distance_histograms(validation: xr.Dataset) -> Figure:
    """Draw histograms over clusters of the distances of the flow from the exact posterior.

    Args:
        validation: dataset with kl and c2st (simulation,), wasserstein and wasserstein_exact (simulation, parameter).
    """
    compared = validation.isel(simulation=np.flatnonzero(np.isfinite(validation["kl"].values)))
    figure = Figure(figsize=(WIDE, 2.3), layout="constrained")
    axes = list(figure.subplots(1, 3))
    kl = np.clip(compared["kl"].values, 1e-3, 30)
    axes[0].hist(kl, np.geomspace(1e-3, 30, 40), color="#d7e6f1", ec=PALETTE["blue"], lw=0.5)
    axes[0].set_xscale("log")
    axes[0].set_xlabel("KL divergence / nat")
    axes[0].set_ylabel("clusters per bin")
    edges = np.geomspace(0.02, 5, 40)
    for name, colour, style in zip(
        compared["parameter"].values, PALETTE.values(), ("-", "--", "-.", ":"), strict=False
    ):
        values = np.clip(compared["wasserstein"].sel(parameter=name).values, edges[0], edges[-1])
        counts, _ = np.histogram(values, edges)
        axes[1].stairs(counts, edges, color=colour, ls=style, label=short_label(str(name)))
    floor = np.clip(compared["wasserstein_exact"].values.ravel(), edges[0], edges[-1])
    counts, _ = np.histogram(floor, edges)
    axes[1].stairs(counts / compared.sizes["parameter"], edges, color="0.5", lw=0.8, label="two exact sets")
    axes[1].set_xscale("log")
    axes[1].set_xlabel("Wasserstein distance / exact\nstandard deviation")
    axes[1].legend()
    axes[2].hist(compared["c2st"].values, np.linspace(0.4, 1, 40), color="#d7e6f1", ec=PALETTE["blue"], lw=0.5)
    axes[2].axvline(0.5, color="0.55", lw=0.8)
    axes[2].set_xlabel("C2ST accuracy (dimensionless)")
    return figure


def _differences(axis: Axes, found: Mapping[str, Stratum]) -> None:
    place = np.arange(len(found))
    chance = np.array([stratum.by_chance for stratum in found.values()])
    axis.barh(place, chance, height=0.9, color="0.92", label="by chance")
    for name, marker, colour, value in (
        ("ranks", "o", "blue", lambda s: s.ecdf),
        ("highest density", "D", "vermillion", lambda s: s.regions),
        ("TARP", "^", "green", lambda s: s.tarp),
    ):
        axis.plot(
            [value(s) for s in found.values()], place, marker, color=PALETTE[colour], ms=3, mfc="none", label=name
        )
    axis.set_xlim(0, 1.3 * max(0.03, *(max(s.ecdf, s.regions, s.tarp) for s in found.values())))
    axis.set_xlabel("largest ECDF difference\n(dimensionless)")


def _coverages(axis: Axes, found: Mapping[str, Stratum]) -> None:
    place = np.arange(len(found))
    width = np.array([100 * np.sqrt(0.68 * 0.32 / s.n) for s in found.values()])
    axis.barh(place, 2 * width, left=68 - width, height=0.9, color="0.92")
    colours = [PALETTE[name] for name in ("purple", "orange", "sky", "black")]
    for name, marker, colour in zip(next(iter(found.values())).coverage, "svP*", colours, strict=False):
        shares = [100 * s.coverage[name] for s in found.values()]
        axis.plot(shares, place, marker, color=colour, ms=3, mfc="none", label=short_label(name))
    axis.axvline(68, color="0.55", lw=0.8)
    axis.set_xlabel("truths in the\n68 % interval / %")


def _means(
    axis: Axes, found: Mapping[str, Stratum], of: Callable[[Stratum], Finding | None], text: str, perfect: float
) -> None:
    there = [(i, value) for i, s in enumerate(found.values()) if (value := of(s)) is not None and value.n > 1]
    place = [i for i, _ in there]
    means, errors = [value.value for _, value in there], [value.error for _, value in there]
    axis.errorbar(means, place, xerr=errors, fmt="o", ms=3, lw=0.8, color=PALETTE["blue"], mfc="none")
    axis.axvline(perfect, color="0.55", lw=0.8)
    axis.set_xlabel(text)
