"""Populations of clusters: the sum of their posteriors in two parameters, and their MAPs."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hpcflow.figures.density import density
from hpcflow.figures.style import COLUMN, DENSITY, PALETTE, WIDE, fade, grid, label, plain, styled, thousands
from hpcflow.store.summary import has_posterior, units

__all__ = ["population", "population_by_galaxy", "richest"]

BINS = (96, 72)
SMOOTH = 1.0  # bins


@styled
def population(archive: xr.Dataset, x: str, y: str) -> Figure:
    """Draw the summed posterior of all clusters and their MAPs.

    Args:
        archive: dataset with map and theta (cluster, sample, parameter), of which a few samples are enough.
        x: name of a parameter.
        y: name of another parameter.
    """
    figure = Figure(figsize=(COLUMN * 1.25, 3.4), layout="constrained")
    axis = figure.subplots()
    image = _draw(axis, archive, x, y, BINS)
    bar = figure.colorbar(image, ax=axis, pad=0.02)
    bar.set_label("posterior density / maximum")
    axis.set_xlabel(label(x, units(archive).get(x, "")))
    axis.set_ylabel(label(y, units(archive).get(y, "")))
    return figure


@styled
def population_by_galaxy(archive: xr.Dataset, x: str, y: str, most: int = 40) -> Figure:
    """Draw the summed posterior and the MAPs of each of the galaxies with the most clusters.

    Args:
        archive: dataset with theta (cluster, sample, parameter), map and galaxy.
        x: name of a parameter.
        y: name of another parameter.
        most: maximum number of galaxies.
    """
    names = richest(archive, most)
    figure, axes = grid(len(names), 4, WIDE, 1.65, sharex=True, sharey=True)
    galaxy = archive["galaxy"].values
    for axis, name in zip(axes, names, strict=True):
        rows = np.flatnonzero(galaxy == name)
        _draw(axis, archive.isel(cluster=rows), x, y, (BINS[0] // 2, BINS[1] // 2))
        axis.set_title(f"{plain(name)} ({thousands(len(rows))})")
    figure.supxlabel(label(x, units(archive).get(x, "")), size="medium")
    figure.supylabel(label(y, units(archive).get(y, "")), size="medium")
    return figure


def richest(archive: xr.Dataset, most: int) -> list[str]:
    """Return the galaxies with the most clusters that have a posterior, the richest first."""
    names, counts = np.unique(archive["galaxy"].values[has_posterior(archive)], return_counts=True)
    return [str(name) for name in names[np.lexsort((names, -counts))][:most]]


def _draw(axis: Axes, archive: xr.Dataset, x: str, y: str, bins: tuple[int, int]) -> QuadMesh:
    theta = archive["theta"]
    samples = [theta.sel(parameter=name).values.ravel() for name in (x, y)]
    edges = tuple(np.linspace(*_bounds(archive, name), n + 1) for name, n in zip((x, y), bins, strict=True))
    counts = density(samples[0], samples[1], (edges[0], edges[1]), SMOOTH)
    counts = counts / max(counts.max(), 1e-12)
    # The square root keeps sparse regions visible beside the crowded ones.
    norm = PowerNorm(0.5, 0, 1)
    image = axis.pcolormesh(*edges, counts.T, cmap=DENSITY, norm=norm, rasterized=True)
    best = archive["map"].values[has_posterior(archive)]
    index = [list(archive["parameter"].values).index(name) for name in (x, y)]
    options: dict[str, Any] = {"color": PALETTE["vermillion"], "ms": 1.5, "mew": 0, "rasterized": True}
    axis.plot(*best[:, index].T, "o", alpha=fade(len(best)), **options)
    axis.set_xlim(edges[0][0], edges[0][-1])
    axis.set_ylim(edges[1][0], edges[1][-1])
    return image


def _bounds(archive: xr.Dataset, name: str) -> tuple[float, float]:
    """Return a parameter's prior bounds, or the range of the samples if the archive does not hold the prior."""
    prior = archive.attrs.get("prior", {})
    if name in prior:
        return float(prior[name][0]), float(prior[name][1])
    values: NDArray[np.floating] = archive["theta"].sel(parameter=name).values
    return float(np.nanmin(values)), float(np.nanmax(values))
