"""Colour-colour diagrams of a catalogue over the tracks of the models, which show what no posterior could fit."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hpcflow.figures.style import PALETTE, WIDE, fade, nothing, padded, styled

__all__ = ["colour_colour", "colour_pairs"]

Floats = NDArray[np.floating]

RANGE = (0.5, 99.5)  # percentiles of the data that are shown


def colour_pairs(bands: Sequence[str]) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return the band pairs of the abscissa and the ordinate: V - I and U - B for five bands.

    >>> colour_pairs(["F275W", "F336W", "F438W", "F555W", "F814W"])
    (('F555W', 'F814W'), ('F336W', 'F438W'))
    """
    first = 1 if len(bands) > 4 else 0
    return (bands[-2], bands[-1]), (bands[first], bands[first + 1])


@styled
def colour_colour(
    flux: Floats, bands: Sequence[str], sets: Sequence[Sequence[str]], tracks: Mapping[str, Floats]
) -> Figure:
    """Draw two colours of every cluster over the models' tracks, with one panel for each band set in use.

    Args:
        flux: (N, B) flux densities, NaN where unusable.
        bands: names of the B bands.
        sets: band sets of at least three bands each.
        tracks: fluxes (M, B) along each track, by name.
    """
    column = {band: i for i, band in enumerate(bands)}
    shown: list[tuple[tuple[tuple[str, str], tuple[str, str]], Floats]] = []
    for names in sets:
        (x, y) = colour_pairs(names)
        points = np.stack([_colour(flux, column, pair) for pair in (x, y)])
        points = points[:, np.isfinite(points).all(axis=0)]
        if points.shape[1] and (x, y) not in [pairs for pairs, _ in shown]:
            shown.append(((x, y), points))
    figure = Figure(figsize=(WIDE, 3.2), layout="constrained")
    axes = figure.subplots(1, max(len(shown), 1), squeeze=False)[0]
    if not shown:
        nothing(axes[0], "no cluster has all bands of a colour")
    for axis, (pairs, points) in zip(axes, shown, strict=False):
        _panel(axis, points, {name: [_colour(flux, column, p) for p in pairs] for name, flux in tracks.items()})
        for pair, says in zip(pairs, (axis.set_xlabel, axis.set_ylabel), strict=True):
            says(f"{pair[0]} - {pair[1]} (AB mag)".replace("_", " "))
        axis.set_title(f"{points.shape[1]:,} clusters", size="small")
    if shown:
        axes[0].legend(loc="lower left")
    return figure


def _panel(axis: Axes, points: Floats, tracks: Mapping[str, Sequence[Floats]]) -> None:
    axis.plot(*points, "o", color="0.55", ms=2, mew=0, alpha=fade(points.shape[1]), rasterized=True)
    for (name, (x, y)), colour in zip(tracks.items(), ("blue", "green", "vermillion"), strict=False):
        axis.plot(x, y, color=PALETTE[colour], label=name)
    limits = [np.concatenate([np.percentile(points[i], RANGE), *(t[i] for t in tracks.values())]) for i in (0, 1)]
    axis.set_xlim(padded(limits[0]))
    axis.set_ylim(padded(limits[1])[::-1])  # blue is up


def _colour(flux: Floats, column: Mapping[str, int], pair: tuple[str, str]) -> Floats:
    one, other = (flux[:, column[name]] for name in pair)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(-2.5 * np.log10(np.where((one > 0) & (other > 0), one / other, np.nan)))
