"""Ages of the MAP and of the nearest mode against published ages, galaxy by galaxy."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from hpcflow.calibration.recovery import best_mode
from hpcflow.figures.populations import richest
from hpcflow.figures.style import PALETTE, WIDE, fade, grid, label, padded, plain, styled
from hpcflow.store.kind import close, leading

__all__ = ["published_by_galaxy"]


@styled
def published_by_galaxy(archive: xr.Dataset, most: int = 40) -> Figure:
    """Draw the ages, or another leading parameter, of MAP and nearest mode against published ones, by galaxy.

    The richest galaxies are drawn.

    Args:
        archive: dataset with map, mode, published and galaxy.
        most: maximum number of galaxies.
    """
    age = leading(archive.attrs)
    published = archive["published"].sel(parameter=age).values
    compared = archive.isel(cluster=np.flatnonzero(np.isfinite(published)))
    names = richest(compared, most)
    figure, axes = grid(len(names), 4, WIDE, 1.75, sharex=True, sharey=True)
    everything = compared["published"].values
    ages = {
        "MAP": compared["map"].sel(parameter=age).values,
        "nearest mode": best_mode(compared, everything)[:, list(compared["parameter"].values).index(age)],
    }
    x = compared["published"].sel(parameter=age).values
    limits = padded(np.concatenate([x, *ages.values()]))
    galaxy = compared["galaxy"].values
    for axis, name in zip(axes, names, strict=True):
        here = (galaxy == name) & np.isfinite(ages["MAP"])
        axis.plot(limits, limits, color="0.55", lw=0.6)
        said = []
        for (kind, y), colour, marker in zip(ages.items(), ("blue", "green"), ("o", "x"), strict=True):
            options: Any = {
                "ms": 2.0,
                "mew": 0 if marker == "o" else 0.5,
                "alpha": fade(int(here.sum())),
                "rasterized": True,
            }
            axis.plot(x[here], y[here], marker, color=PALETTE[colour], label=kind, **options)
            said.append(f"{100 * (np.abs(y - x)[here] <= close(archive.attrs, age)).mean():.0f}")
        axis.set_title(plain(name))
        axis.text(0.05, 0.95, f"{', '.join(said)} %", transform=axis.transAxes, va="top", size="small")
        axis.set(xlim=limits, ylim=limits, aspect="equal")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, markerscale=2)
    figure.supxlabel(f"published {label(age)}", size="medium")
    figure.supylabel(f"this run's {label(age)}", size="medium")
    return figure
