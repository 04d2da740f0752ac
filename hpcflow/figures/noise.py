"""Relative errors of the catalogue against those that training drew from the noise model."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from numpy.typing import NDArray

from hpcflow.figures.style import PALETTE, WIDE, grid, nothing, plain, styled

__all__ = ["relative_errors"]

RANGE = (0.01, 2.0)
BINS = 48


@styled
def relative_errors(archive: xr.Dataset, trained: NDArray[np.floating]) -> Figure:
    """Draw the distribution of relative errors in every band, and that of the training observations.

    Args:
        archive: dataset with flux, sigma [mJy] and observed, each (cluster, band); sigma includes the systematic error.
        trained: (n,) relative errors sigma over observed flux, as training draws them.
    """
    bands = archive["band"].values
    figure, axes = grid(len(bands), 3, WIDE, 1.75, sharex=True, sharey=True)
    edges = np.geomspace(*RANGE, BINS + 1)
    expected = _share(trained, edges)
    for axis, band in zip(axes, bands, strict=True):
        one = archive.sel(band=band)
        used = one["observed"].values & (one["flux"].values > 0)
        axis.set_title(plain(band))
        axis.set_xscale("log")
        axis.stairs(expected, edges, color=PALETTE["vermillion"], lw=1, label="training", zorder=3)
        if used.any():
            error = one["sigma"].values[used] / one["flux"].values[used]
            axis.stairs(_share(error, edges), edges, fill=True, color="#d7e6f1")
            axis.stairs(_share(error, edges), edges, color=PALETTE["blue"], lw=1, label="catalogue")
        else:
            nothing(axis, "no cluster has this band")
        axis.set_xlim(*RANGE)
        axis.xaxis.set_major_locator(FixedLocator([0.02, 0.05, 0.1, 0.2, 0.5, 1]))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter("{x:g}")
    axes[0].set_ylim(bottom=0)
    axes[0].legend(loc="upper right")
    figure.supxlabel(r"relative error $r^* = \sigma / f^*$, including the systematic (dimensionless)", size="medium")
    figure.supylabel("share of clusters per bin", size="medium")
    return figure


def _share(values: NDArray[np.floating], edges: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the share of values in each bin; values beyond the range count in the outermost bins."""
    finite = np.clip(values[np.isfinite(values)], edges[0], edges[-1])
    return np.histogram(finite, edges)[0] / max(len(finite), 1)
