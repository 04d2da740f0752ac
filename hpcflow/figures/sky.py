"""Maps of flagged clusters on the sky."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from hpcflow.figures.populations import richest
from hpcflow.figures.style import PALETTE, WIDE, grid, plain, styled, thousands
from hpcflow.store.summary import count_flags

__all__ = ["flag_map", "has_places"]

COLOURS = [PALETTE[name] for name in ("vermillion", "blue", "green", "orange", "purple")]
MARKERS = ("o", "s", "^", "D", "v")


def has_places(archive: xr.Dataset) -> bool:
    """Return whether the catalogue holds positions of single clusters; a mock has one position for each galaxy."""
    ra, dec = archive["ra"].values, archive["dec"].values
    return bool(
        np.isfinite(ra).any() and len(np.unique(np.round(ra + 1j * dec, 5))) > len(set(archive["galaxy"].values))
    )


@styled
def flag_map(archive: xr.Dataset, most: int = 6) -> Figure:
    """Draw the positions of clusters in the richest galaxies, with the commonest flags marked.

    Args:
        archive: dataset with ra, dec [degree], galaxy and flag (cluster,).
        most: maximum number of galaxies.
    """
    names = richest(archive, most)
    flags = sorted((flag for flag in count_flags(archive) if flag.clusters), key=lambda flag: -flag.clusters)
    shown = flags[: len(COLOURS)]
    figure, axes = grid(len(names), 3, WIDE, 2.5 if len(names) > 1 else 4.6)
    for axis, name in zip(axes, names, strict=True):
        here = archive.isel(cluster=np.flatnonzero(archive["galaxy"].values == name))
        _draw(axis, here, [flag.mask for flag in shown])
        axis.set_title(f"{plain(name)} ({thousands(here.sizes['cluster'])})")
    handles = [Line2D([], [], ls="", marker=".", color="0.6", label="none of these flags")]
    for flag, colour, marker in zip(shown, COLOURS, MARKERS, strict=False):
        handles.append(
            Line2D([], [], ls="", marker=marker, color=colour, ms=4, mfc="none", label=flag.name.replace("_", " "))
        )
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    across, up = r"$\Delta\alpha\,\cos\delta$ / arcmin, east to the left", r"$\Delta\delta$ / arcmin"
    if len(axes) == 1:  # a square panel in a wide figure keeps its labels next to it
        axes[0].set(xlabel=across, ylabel=up)
    else:
        figure.supxlabel(across, size="medium")
        figure.supylabel(up, size="medium")
    return figure


def _draw(axis: Axes, here: xr.Dataset, masks: list[int]) -> None:
    ra, dec, flag = (here[name].values for name in ("ra", "dec", "flag"))
    middle = np.nanmedian(ra), np.nanmedian(dec)
    turn = (ra - middle[0] + 180) % 360 - 180  # galaxies may lie across RA = 0
    x, y = 60 * turn * np.cos(np.deg2rad(middle[1])), 60 * (dec - middle[1])
    axis.plot(x, y, ".", color="0.6", ms=3.5, mew=0, rasterized=True)
    for mask, colour, marker in zip(masks, COLOURS, MARKERS, strict=False):
        chosen: NDArray[np.bool_] = (flag & mask) != 0
        axis.plot(x[chosen], y[chosen], marker, color=colour, ms=3, mew=0.6, mfc="none", rasterized=True)
    reach = 1.05 * float(np.nanmax(np.abs([x, y]), initial=0.1))
    axis.set(xlim=(reach, -reach), ylim=(-reach, reach), aspect="equal")
