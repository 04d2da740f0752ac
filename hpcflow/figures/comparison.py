"""The MAP against published values, and against the truth where it is known."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hpcflow.calibration.agreement import published_table, uv_lost
from hpcflow.calibration.recovery import best_mode
from hpcflow.figures.style import COLUMN, PALETTE, WIDE, fade, label, padded, short_label, signed, styled
from hpcflow.store.kind import leading
from hpcflow.store.summary import units

__all__ = [
    "LEVELS",
    "against_published",
    "against_truth",
    "chi2_of_both",
    "deviation_and_width",
    "inliers",
    "inliers_by_galaxy",
]

Floats = NDArray[np.floating]

LEVELS = (0.68, 0.95, 0.997)
NEAR = 1e-3  # dex or mag; smaller values are drawn here


@dataclass(frozen=True)
class _Row:
    """One row of panels: the values (N, D) compared, their name and their colour."""

    values: Floats
    name: str
    colour: str


def inliers(archive: xr.Dataset) -> dict[str, tuple[float, ...]]:
    """Return, for each parameter, the shares of published values in the central 68, 95 and 99.7 % of the marginals.

    Args:
        archive: dataset with published_rank (cluster, parameter), from `summarise`.
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
        archive: dataset with map, mode, published and published_rank.
    """
    published = archive["published"].values
    return _panels(archive, published, "published", inliers(archive))


@styled
def against_truth(archive: xr.Dataset, truth: Floats) -> Figure:
    """Draw the MAP, and the mode nearest in age, against the truth of every parameter.

    Args:
        archive: dataset with map, mode and parameter.
        truth: (N, D) true parameters, NaN where unknown.
    """
    return _panels(archive, truth, "true", {})


@styled
def deviation_and_width(archive: xr.Dataset) -> Figure:
    """Draw the MAP's distance from the published value against the width of the posterior, with large UV errors marked.

    Args:
        archive: dataset with map, std, published, flux and sigma.
    """
    names, unit = [str(name) for name in archive["parameter"].values], units(archive)
    away = np.abs(archive["map"].values - archive["published"].values)
    width, lost = archive["std"].values, uv_lost(archive)
    shown = [d for d in range(len(names)) if np.isfinite(away[:, d]).any()]
    figure = Figure(figsize=(WIDE, 2.75), layout="constrained")
    axes = figure.subplots(1, max(len(shown), 1), squeeze=False)[0]
    for axis, d in zip(axes, shown, strict=False):
        good = np.isfinite(away[:, d]) & np.isfinite(width[:, d])
        limits = np.array([NEAR, 2 * max(away[good, d].max(initial=0.5), width[good, d].max(initial=0.5))])
        axis.plot(limits, limits, color="0.55", lw=0.6)
        for rows, colour in ((good & ~lost, "blue"), (good & lost, "vermillion")):
            x, y = (np.maximum(values[rows, d], NEAR) for values in (width, away))
            axis.plot(x, y, "o", color=PALETTE[colour], ms=1.8, mew=0, alpha=fade(int(good.sum())), rasterized=True)
        axis.set(xscale="log", yscale="log", xlim=limits, ylim=limits, aspect="equal", title=short_label(names[d]))
        of = unit.get(names[d], "").split("(")[0]  # the width of a log in dex(yr) is in dex
        axis.set_xlabel(f"standard deviation / {of}" if of else "standard deviation")
        axis.set_ylabel(f"|MAP \u2212 published| / {of}" if of else "|MAP \u2212 published|")
    if (lost & np.isfinite(away).any(axis=1)).any():
        axes[0].plot([], [], "o", color=PALETTE["vermillion"], ms=3, label="UV error above 40 %")
        figure.legend(loc="outside upper center", handletextpad=0.2)
    return figure


@styled
def inliers_by_galaxy(archive: xr.Dataset) -> Figure:
    """Draw, for each galaxy, how often published values lie in our intervals, and our MAPs within their 1 sigma.

    Args:
        archive: dataset from `summarise`.
    """
    table = published_table(archive)
    table = table[table["of"] == "galaxy"]
    names = list(dict.fromkeys(table["group"].tolist()))
    parameters = list(dict.fromkeys(table["parameter"].tolist()))
    figure = Figure(figsize=(WIDE, 1.2 + 0.16 * len(names)), layout="constrained")
    axes = figure.subplots(1, max(len(parameters), 1), sharey=True, squeeze=False)[0]
    for axis, parameter in zip(axes, parameters, strict=False):
        rows = table[table["parameter"] == parameter]
        place = [names.index(name) for name in rows["group"].tolist()]
        for column, colour, text in (
            ("inside_68", "blue", "published value in our 68 %"),
            ("inside_95", "sky", "in our 95 %"),
            ("ours_inside", "vermillion", "our MAP within their 1 sigma"),
        ):
            if np.isfinite(table[column]).any():  # few catalogues quote errors
                axis.plot(100 * np.asarray(rows[column]), place, "o", color=PALETTE[colour], ms=3, label=text)
        axis.set_title(short_label(parameter))
        axis.set(xlim=(-3, 103), xlabel="% of clusters")
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


@styled
def chi2_of_both(archive: xr.Dataset) -> Figure:
    """Draw the reduced chi^2 of the re-simulated MAP against that of the published fit.

    Args:
        archive: dataset with chi2_map and published_chi2.
    """
    ours, theirs = archive["chi2_map"].values, archive["published_chi2"].values
    good = np.isfinite(ours) & np.isfinite(theirs) & (ours > 0) & (theirs > 0)
    figure = Figure(figsize=(COLUMN, 3.2), layout="constrained")
    axis = figure.subplots()
    logs = np.log10(np.clip(np.concatenate([ours[good], theirs[good]]), 1e-3, 1e3))
    limits = 10 ** np.array([np.floor(logs.min()), np.ceil(logs.max()) + 0.01])
    axis.plot(limits, limits, color="0.55", lw=0.6)
    alpha = fade(int(good.sum()))
    axis.plot(theirs[good], ours[good], "o", color=PALETTE["blue"], ms=1.8, mew=0, alpha=alpha, rasterized=True)
    axis.set(xscale="log", yscale="log", xlim=limits, ylim=limits, aspect="equal")
    axis.set_xlabel(r"reduced $\chi^2$ of the published fit, as published")
    axis.set_ylabel(r"reduced $\chi^2$ of the MAP")
    lower = 100 * float((ours[good] < theirs[good]).mean())
    axis.set_title(
        f"medians {np.median(ours[good]):.2f} and {np.median(theirs[good]):.2f}, ours lower in {lower:.0f} %"
    )
    return figure


def _panels(archive: xr.Dataset, other: Floats, word: str, shares: dict[str, tuple[float, ...]]) -> Figure:
    names, unit = [str(name) for name in archive["parameter"].values], units(archive)
    rows = [_Row(archive["map"].values, "MAP", PALETTE["blue"])]
    if leading(archive.attrs) in names:
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
