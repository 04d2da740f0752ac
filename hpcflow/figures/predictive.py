"""Posterior predictive checks: predicted against observed flux densities, and their ranks."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from hpcflow.calibration.uniformity import binned
from hpcflow.figures.calibration import draw_ranks
from hpcflow.figures.style import PALETTE, WIDE, fade, grid, nothing, plain, signed, styled

__all__ = ["predictive_ranks", "predictive_scatter"]

BINS = 20


@styled
def predictive_scatter(archive: xr.Dataset) -> Figure:
    """Draw the mean of the posterior predictive against the observed flux density, band by band.

    Args:
        archive: dataset with flux, predictive_mean [mJy] and observed, each (cluster, band).
    """
    bands = archive["band"].values
    figure, axes = grid(len(bands), 3, WIDE, 2.25)
    for axis, band in zip(axes, bands, strict=True):
        one = archive.sel(band=band)
        x, y = one["flux"].values, one["predictive_mean"].values
        good = one["observed"].values & (x > 0) & (y > 0)
        axis.set_title(plain(band))
        if not good.any():
            nothing(axis, "no cluster has this band")
            continue
        x, y = np.log10(x[good]), np.log10(y[good])
        limits = float(min(x.min(), y.min())) - 0.15, float(max(x.max(), y.max())) + 0.15
        axis.plot(limits, limits, color="0.55", lw=0.6)
        options: Any = {"ms": 1.6, "mew": 0, "alpha": fade(len(x)), "rasterized": True}
        axis.plot(x, y, "o", color=PALETTE["blue"], **options)
        low, middle, high = np.quantile(y - x, (0.16, 0.5, 0.84))
        text = f"median {signed(middle, 3)} dex\n68 % within {(high - low) / 2:.3f} dex"
        axis.text(0.05, 0.94, text, transform=axis.transAxes, va="top", size="small")
        axis.set(xlim=limits, ylim=limits, aspect="equal")
    figure.supxlabel(r"log$_{10}$(observed flux density / mJy)", size="medium")
    figure.supylabel(r"log$_{10}$(predictive mean / mJy)", size="medium")
    return figure


@styled
def predictive_ranks(archive: xr.Dataset) -> Figure:
    """Draw the ranks of the observed flux densities in their posterior predictive, band by band.

    Args:
        archive: dataset with predictive_rank and observed, each (cluster, band).
    """
    bands = archive["band"].values
    figure, axes = grid(len(bands), 3, WIDE, 1.75, sharex=True, sharey=True)
    for axis, band in zip(axes, bands, strict=True):
        one = archive.sel(band=band)
        rank = one["predictive_rank"].values[one["observed"].values]
        axis.set_title(plain(band))
        axis.set_xlim(0, 1)
        if np.isfinite(rank).any():
            draw_ranks(axis, binned(rank, BINS))
        else:
            nothing(axis, "no cluster has this band")
    axes[0].set_ylim(bottom=0)
    figure.supxlabel("rank of the observed flux in its posterior predictive (share below it)", size="medium")
    figure.supylabel("clusters per bin / uniform expectation", size="medium")
    return figure
