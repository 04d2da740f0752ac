"""Corner plots of single clusters, and the choice of the clusters to show."""

import warnings
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from hpcflow.figures.density import density, levels
from hpcflow.figures.style import COLUMN, DENSITY, PALETTE, label, padded, plain, styled
from hpcflow.store.kind import leading, source_of
from hpcflow.store.summary import has_posterior, units

__all__ = ["corner", "example_clusters", "outlier_clusters"]

Floats = NDArray[np.floating]

BINS = 40
SMOOTH = 1.2  # bins
SHARES = (0.95, 0.68)

EXACT_STYLE: dict[str, Any] = {"colors": "black", "linewidths": 0.9, "linestyles": "--"}
EXACT_LINE: dict[str, Any] = {"color": "black", "lw": 0.9, "ls": "--"}

MARKS: dict[str, dict[str, Any]] = {
    "MAP": {"marker": "^", "color": PALETTE["vermillion"], "ms": 6, "mec": "white", "mew": 0.6},
    "other modes": {"marker": "^", "color": PALETTE["orange"], "ms": 5, "mec": "white", "mew": 0.6},
    "published": {"marker": "X", "color": PALETTE["black"], "ms": 5.5, "mec": "white", "mew": 0.6},
    "truth": {"marker": "P", "color": PALETTE["green"], "ms": 6, "mec": "white", "mew": 0.6},
}


def example_clusters(archive: xr.Dataset) -> dict[str, int]:
    """Return the rows of example objects, of clusters a young, an intermediate and an old one, and the most multimodal.

    Clusters with every band and no flag are preferred. The examples of each age are those whose MAP is
    nearest to the values that the kind of source declares; the most multimodal one has the largest variance of age (the
    leading parameter) between its modes.

    Args:
        archive: dataset with map, mode, mode_share, observed and flag.
    """
    fit = has_posterior(archive)
    clean = fit & archive["observed"].values.all(axis=1) & (archive["flag"].values == 0)
    fit = clean if clean.any() else fit
    source, first = source_of(archive.attrs), leading(archive.attrs)
    if not fit.any() or first not in archive["parameter"].values:
        return {}
    age, wanted = archive["map"].sel(parameter=first).values, source.examples if source else {}
    chosen = {"most multimodal": int(np.argmax(np.where(fit, _between_modes(archive), -1.0)))}
    for name, target in wanted.items():
        left = fit & ~np.isin(np.arange(len(fit)), list(chosen.values()))
        if left.any():
            chosen[name] = int(np.argmin(np.where(left, np.abs(age - target), np.inf)))
    return {name: chosen[name] for name in (*wanted, "most multimodal") if name in chosen}


def outlier_clusters(archive: xr.Dataset) -> dict[str, int]:
    """Return the rows of the cluster with the worst fit, and of the one whose MAP is farthest from its published age.

    Args:
        archive: dataset with map, chi2_map and published.
    """
    found = {}
    chi2 = np.where(has_posterior(archive), archive["chi2_map"].values, np.nan)
    if np.isfinite(chi2).any():
        found["worst fit"] = int(np.nanargmax(np.where(np.isfinite(chi2), chi2, np.nan)))
    first = leading(archive.attrs)
    if first in archive["parameter"].values and "published" in archive:
        away = np.abs((archive["map"] - archive["published"]).sel(parameter=first).values)
        away[list(found.values())] = np.nan
        if np.isfinite(away).any():
            found["farthest from published"] = int(np.nanargmax(away))
    return found


@styled
def corner(
    cluster: xr.Dataset, truth: Floats | None = None, exact: Floats | None = None, width: float = COLUMN * 1.25
) -> Figure:
    """Draw one cluster's samples in every pair of parameters, and their marginals.

    Args:
        cluster: one row of the archive, with `theta` (sample, parameter), map, mode and published.
        truth: (D,) true parameters, if known.
        exact: (n, D) samples of the exact posterior, if there is one.
        width: width of the figure in inches.
    """
    names, unit = [str(name) for name in cluster["parameter"].values], units(cluster)
    theta, marks = cluster["theta"].values, _marks(cluster, truth)
    both = theta if exact is None else np.concatenate([theta, exact])
    edges: list[Floats] = [
        np.linspace(*_limits(both[:, d], [points[:, d] for points in marks.values()]), BINS + 1)
        for d in range(len(names))
    ]
    figure = Figure(figsize=(width, width), layout="constrained")
    axes = figure.subplots(len(names), len(names), squeeze=False)
    for row in range(len(names)):
        for column in range(len(names)):
            axis = axes[row, column]
            if column > row:
                axis.set_visible(False)
                continue
            if column == row:
                _marginal(axis, theta[:, row], edges[row], {key: m[:, row] for key, m in marks.items()})
                if exact is not None:
                    share = np.full(len(exact), len(theta) / len(exact))
                    axis.stairs(np.histogram(exact[:, row], edges[row], weights=share)[0], edges[row], **EXACT_LINE)
            else:
                _pair(axis, theta, marks, edges, (column, row))
                if exact is not None:
                    _contours(axis, exact, edges, (column, row), EXACT_STYLE)
            _dress(axis, row, column, names, unit)
    _legend(figure, cluster, list(marks), exact is not None)
    figure.align_labels()
    return figure


def _between_modes(archive: xr.Dataset) -> Floats:
    """Return the variance (N,) of the leading parameter between the modes, weighted by their shares of the samples."""
    age = archive["mode"].sel(parameter=leading(archive.attrs)).values
    weight = np.where(np.isfinite(age), archive["mode_share"].values, 0.0)
    total = np.maximum(weight.sum(axis=1, keepdims=True), 1e-9)
    mean = (weight * np.nan_to_num(age)).sum(axis=1, keepdims=True) / total
    return np.asarray((weight * np.nan_to_num(age - mean) ** 2).sum(axis=1) / total[:, 0])


def _marks(cluster: xr.Dataset, truth: Floats | None) -> dict[str, Floats]:
    """Return the points to mark, (M, D) for each kind; kinds without points are left out."""
    points = {
        "MAP": cluster["map"].values[None],
        "other modes": cluster["mode"].values[1:],
        "published": cluster["published"].values[None] if "published" in cluster else np.empty((0, 0)),
        "truth": np.empty((0, 0)) if truth is None else np.asarray(truth)[None],
    }
    finite = {name: values[np.isfinite(values).any(axis=-1)] for name, values in points.items() if values.size}
    return {name: values for name, values in finite.items() if len(values)}


def _limits(samples: Floats, marks: list[Floats]) -> tuple[float, float]:
    inner = np.nanquantile(samples, (0.001, 0.999))
    return padded(np.concatenate([inner, *marks]), 0.06)


def _marginal(axis: Axes, samples: Floats, edges: Floats, marks: dict[str, Floats]) -> None:
    counts, _ = np.histogram(samples, edges)
    axis.stairs(counts, edges, fill=True, color="#d7e6f1")
    axis.stairs(counts, edges, color=PALETTE["blue"], lw=0.8)
    for name, values in marks.items():
        for value in values:
            axis.axvline(value, color=MARKS[name]["color"], lw=1.0, ls=":" if name == "other modes" else "-")
    axis.set_xlim(edges[0], edges[-1])
    axis.set_ylim(bottom=0)
    axis.set_yticks([])


def _pair(axis: Axes, theta: Floats, marks: dict[str, Floats], edges: list[Floats], pair: tuple[int, int]) -> None:
    x, y = pair
    counts = _contours(axis, theta, edges, pair, {"colors": PALETTE["blue"], "linewidths": 0.7})
    axis.pcolormesh(edges[x], edges[y], counts.T, cmap=DENSITY, vmin=0, rasterized=True)
    for name, values in marks.items():
        axis.plot(values[:, x], values[:, y], ls="", zorder=4, **MARKS[name])
    axis.set_xlim(edges[x][0], edges[x][-1])
    axis.set_ylim(edges[y][0], edges[y][-1])


def _contours(axis: Axes, theta: Floats, edges: list[Floats], pair: tuple[int, int], style: dict[str, Any]) -> Floats:
    """Draw the contours that enclose 68 and 95 % of the samples, and return the density they are drawn from."""
    x, y = pair
    counts = density(theta[:, x], theta[:, y], (edges[x], edges[y]), SMOOTH)
    centres = [(edges[d][1:] + edges[d][:-1]) / 2 for d in pair]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a posterior within one bin has no contour
        axis.contour(*centres, counts.T, levels(counts, SHARES), **style)
    return counts


def _dress(axis: Axes, row: int, column: int, names: list[str], unit: dict[str, str]) -> None:
    axis.xaxis.set_major_locator(MaxNLocator(3, prune="both"))
    last = row == len(names) - 1
    axis.tick_params(labelbottom=last)
    if last:
        axis.set_xlabel(label(names[column], unit.get(names[column], "")))
    if column < row:
        axis.yaxis.set_major_locator(MaxNLocator(3, prune="both"))
        axis.tick_params(labelleft=column == 0)
        if column == 0:
            axis.set_ylabel(label(names[row], unit.get(names[row], "")))


def _legend(figure: Figure, cluster: xr.Dataset, shown: list[str], exact: bool) -> None:
    chi2 = float(cluster["chi2_map"])
    fit = rf"reduced $\chi^2$ of the MAP: {chi2:.3g}" if np.isfinite(chi2) else ""
    title = f"{plain(cluster['galaxy'].item())}  {plain(cluster['cluster_id'].item())}\n{fit}".strip()
    handles = [Line2D([], [], ls="", label=name, **MARKS[name]) for name in shown]
    if exact:
        handles.append(Line2D([], [], label="exact posterior", **EXACT_LINE))
    place: Any = {"loc": "upper right", "bbox_to_anchor": (0.99, 0.99), "alignment": "left"}
    figure.legend(handles=handles, title=title, **place)
