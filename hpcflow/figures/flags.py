"""Numbers of clusters by flag, and by the use of each band."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hpcflow.figures.style import PALETTE, WIDE, plain, styled, thousands
from hpcflow.store.summary import Counts, count_bands, count_flags

__all__ = ["flags_and_bands"]

COLOURS = [PALETTE[name] for name in ("sky", "orange", "vermillion", "purple", "green", "blue", "black")]


@styled
def flags_and_bands(archive: xr.Dataset) -> Figure:
    """Draw the number of clusters with each flag, and the number that use each band or lack it, by reason.

    Args:
        archive: dataset with flag (cluster,), observed and reason (cluster, band).
    """
    flags = count_flags(archive)
    bands = [plain(band) for band in archive["band"].values]
    clean = int((archive["flag"].values == 0).sum())
    names = ["no flag", *(flag.name.replace("_", " ") for flag in flags)]
    figure = Figure(figsize=(WIDE, 0.19 * max(len(names), len(bands)) + 0.9), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.2, 1))
    counts = {"flags": np.array([clean, *(flag.clusters for flag in flags)])}
    _bars(left, names, counts, archive.sizes["cluster"])
    by_reason = count_bands(archive)
    _bars(right, bands, by_reason, archive.sizes["cluster"])
    right.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=min(len(by_reason), 3), columnspacing=1.2)
    left.set_xlabel("number of clusters with this flag")
    right.set_xlabel("number of clusters by use of this band")
    return figure


def _bars(axis: Axes, names: list[str], counts: Counts, total: int) -> None:
    """Draw one bar for each name, stacked by the keys of counts and labelled with the first key's count."""
    place, start = np.arange(len(names)), np.zeros(len(names), dtype=int)
    for (key, count), colour in zip(counts.items(), COLOURS, strict=False):
        axis.barh(place, count, left=start, height=0.62, color=colour, label=key)
        start = start + count
    first = next(iter(counts.values()))
    for y, end, number in zip(place, start.tolist(), first.tolist(), strict=True):
        axis.annotate(thousands(number), (end, y), (3, 0), textcoords="offset points", va="center", size="small")
    axis.set_yticks(place, names)
    axis.tick_params(axis="y", length=0)
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.set_xlim(0, 1.18 * max(total, 1))
