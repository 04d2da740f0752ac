"""What can be said against the posteriors, and which bands they rest on."""

import re
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hpcflow.figures.style import PALETTE, WIDE, plain, styled, thousands

__all__ = ["FlagCount", "count_bands", "count_flags", "flags_and_bands"]

Counts = dict[str, NDArray[np.integer]]

COLOURS = [PALETTE[name] for name in ("sky", "orange", "vermillion", "purple", "green", "blue", "black")]


@dataclass(frozen=True)
class FlagCount:
    """A flag: its bit, its name, what it means, and how many clusters have it."""

    mask: int
    name: str
    meaning: str
    clusters: int


def count_flags(archive: xr.Dataset) -> list[FlagCount]:
    """Return every flag the archive knows, by the CF attributes of its variable `flag`."""
    flag = archive["flag"]
    masks = [int(mask) for mask in np.atleast_1d(flag.attrs["flag_masks"])]
    names = str(flag.attrs["flag_meanings"]).split()
    # Meanings may hold semicolons themselves: cut only where the next number stands.
    meanings = dict(re.findall(r"(\d+): (.*?)(?:; (?=\d+: )|$)", str(flag.attrs.get("comment", ""))))
    return [
        FlagCount(mask, name, meanings.get(str(mask), ""), int(((flag.values & mask) != 0).sum()))
        for mask, name in zip(masks, names, strict=True)
    ]


def count_bands(archive: xr.Dataset) -> Counts:
    """Return by reason, "used" first, how many clusters have it in each band (B,); reasons of none are left out.

    Args:
        archive: observed and, where it is there, reason, (cluster, band) each.
    """
    used = archive["observed"].values
    counts = {"used": used.sum(axis=0)}
    if "reason" not in archive:
        return {**counts, "not used": (~used).sum(axis=0)}
    reason = archive["reason"]
    names = str(reason.attrs["flag_meanings"]).split()
    for value, name in zip(np.atleast_1d(reason.attrs["flag_values"]), names, strict=True):
        counts[name.replace("_", " ")] = ((reason.values == value) & ~used).sum(axis=0)
    return {name: count for name, count in counts.items() if name == "used" or count.any()}


@styled
def flags_and_bands(archive: xr.Dataset) -> Figure:
    """Draw how many clusters have each flag, and in how many each band was used, or why not.

    Args:
        archive: flag (cluster,), observed and reason (cluster, band).
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
    left.set_xlabel("clusters with this flag (number)")
    right.set_xlabel("clusters by use of this band (number)")
    return figure


def _bars(axis: Axes, names: list[str], counts: Counts, total: int) -> None:
    """Draw a bar per name, stacked by the keys of counts; the number is the first key's."""
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
