"""Estimates against each other: the MAP against published values, and against the truth where it is known."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hpcflow.figures.recovery import best_mode
from hpcflow.figures.style import PALETTE, WIDE, fade, label, padded, signed, styled
from hpcflow.figures.summary import units

__all__ = ["LEVELS", "against_published", "against_truth", "inliers"]

Floats = NDArray[np.floating]

LEVELS = (0.68, 0.95, 0.997)


@dataclass(frozen=True)
class _Row:
    """One row of panels: what is compared (N, D), its name and its colour."""

    values: Floats
    name: str
    colour: str


def inliers(archive: xr.Dataset) -> dict[str, tuple[float, ...]]:
    """Return by parameter the shares of published values in the central 68, 95 and 99.7 % of the marginals.

    Args:
        archive: published_rank (cluster, parameter), as `summarise` makes it.
    """
    found = {}
    for name in archive["parameter"].values:
        rank = archive["published_rank"].sel(parameter=name).values
        away = 2 * np.abs(rank[np.isfinite(rank)] - 0.5)
        if len(away):
            found[str(name)] = tuple(float((away <= level).mean()) for level in LEVELS)
    return found


@styled
def against_published(archive: xr.Dataset) -> Figure:
    """Draw the MAP, and the mode nearest in age, against the published value of every parameter.

    Args:
        archive: map, mode, published and published_rank.
    """
    published = archive["published"].values
    return _panels(archive, published, "published", inliers(archive))


@styled
def against_truth(archive: xr.Dataset, truth: Floats) -> Figure:
    """Draw the MAP, and the mode nearest in age, against the truth of every parameter.

    Args:
        archive: map, mode and parameter.
        truth: (N, D) true parameters, NaN where unknown.
    """
    return _panels(archive, truth, "true", {})


def _panels(archive: xr.Dataset, other: Floats, word: str, shares: dict[str, tuple[float, ...]]) -> Figure:
    names, unit = [str(name) for name in archive["parameter"].values], units(archive)
    rows = [_Row(archive["map"].values, "MAP", PALETTE["blue"])]
    if "log_age" in names:
        rows.append(_Row(best_mode(archive, other), "nearest mode", PALETTE["green"]))
    shown = [d for d in range(len(names)) if (np.isfinite(other[:, d]) & np.isfinite(rows[0].values[:, d])).any()]
    figure = Figure(figsize=(WIDE, 2.35 * len(rows) + 0.2), layout="constrained")
    axes = figure.subplots(len(rows), max(len(shown), 1), squeeze=False)
    for i, row in enumerate(rows):
        for axis, d in zip(axes[i], shown, strict=False):
            _scatter(axis, other[:, d], row.values[:, d], row.colour)
            axis.set_xlabel(f"{word} {label(names[d], unit.get(names[d], ''))}")
            axis.set_ylabel(f"{row.name} {label(names[d], unit.get(names[d], ''))}")
            if i == 0 and names[d] in shares:
                inside = ", ".join(f"{100 * share:.0f}" for share in shares[names[d]])
                axis.set_title(f"inside 68, 95, 99.7 %: {inside} %", size="small")
    return figure


def _scatter(axis: Axes, x: Floats, y: Floats, colour: str) -> None:
    good = np.isfinite(x) & np.isfinite(y)
    x, y = x[good], y[good]
    limits = padded(np.concatenate([x, y]))
    axis.plot(limits, limits, color="0.55", lw=0.6)
    axis.plot(x, y, "o", color=colour, ms=1.8, mew=0, alpha=fade(len(x)), rasterized=True)
    low, middle, high = np.quantile(y - x, (0.16, 0.5, 0.84))
    text = f"median {signed(middle, 2)}\n68 % within {(high - low) / 2:.2f}"
    behind = {"fc": "white", "ec": "none", "alpha": 0.7, "pad": 1}
    axis.text(0.04, 0.96, text, transform=axis.transAxes, va="top", size="small", bbox=behind)
    axis.set(xlim=limits, ylim=limits, aspect="equal")
