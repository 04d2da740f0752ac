"""Smoothed histograms, and the levels of contours that enclose given shares of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["density", "levels"]

Floats = NDArray[np.floating]


def density(x: Floats, y: Floats, edges: tuple[Floats, Floats], width: float = 1.0) -> Floats:
    """Return smoothed counts (X, Y) of points on a grid; smoothing conserves their sum.

    Args:
        x: (N,) coordinates; points that are not finite are left out.
        y: (N,) coordinates.
        edges: bin edges of x (X + 1,) and of y (Y + 1,).
        width: standard deviation of the Gaussian kernel, in bins.
    """
    good = np.isfinite(x) & np.isfinite(y)
    counts, _, _ = np.histogram2d(x[good], y[good], bins=edges)
    return counts if width == 0 else _smooth(_smooth(counts, width).T, width).T


def levels(grid: Floats, shares: Sequence[float]) -> list[float]:
    """Return, in ascending order, the heights above which given shares of a grid's sum lie.

    >>> levels(np.array([[4.0, 3.0], [2.0, 1.0]]), [0.65])
    [3.0]
    """
    falling: Floats = np.sort(grid.ravel())[::-1]
    held = np.cumsum(falling) / max(float(falling.sum()), np.finfo(float).tiny)
    places = np.minimum(np.searchsorted(held, np.asarray(shares)), len(held) - 1)
    return sorted(set(falling[places].tolist()))


def _smooth(counts: Floats, width: float) -> Floats:
    """Convolve along the first axis with a Gaussian, mirrored at the ends."""
    reach = min(int(np.ceil(3 * width)), len(counts))
    offset = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (offset / width) ** 2)
    padded = np.pad(counts, ((reach, reach), (0, 0)), mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis=0)
    return np.asarray(windows @ (kernel / kernel.sum()))
