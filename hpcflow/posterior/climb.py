"""Maximisation of a density from samples near its peaks, without gradients because the density has kinks and cliffs.

The highest points known on a peak show where it lies and how it is elongated. New points are drawn around the highest
one from a Gaussian of that shape, and the highest of all are kept. This is the cross-entropy method (Rubinstein 1999,
Methodol. Comput. Appl. Probab. 1, 127) with its mean at the best point. All peaks are climbed together, each by itself.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["ELITE", "ROUNDS", "ROWS", "climb"]

Floats = NDArray[np.floating]

ELITE = 16  # points that give the position and shape of a peak
ROWS = 48  # new points per round and peak
ROUNDS = 8  # each shrinks the spread of the points to about 0.6 of what it was


def climb(
    density: Callable[[Floats], Floats], points: Floats, heights: Floats, low: Floats, high: Floats, noise: Floats
) -> tuple[Floats, Floats]:
    """Return the highest point (M, D) of each of M peaks, and the log-density (M,) there.

    Args:
        density: log-density (M, n) of points (M, n, D) of each peak, up to a constant; NaN counts as zero density.
        points: (M, E, D) E known points on each peak.
        heights: (M, E) log-density at the known points.
        low: (D,) lower bounds of the search.
        high: (D,) upper bounds of the search.
        noise: (R, ROWS, D) standard normal draws for R rounds, or (R, M, ROWS, D) of each peak.
    """
    peaks, kept, dim = points.shape
    rows = np.arange(peaks)[:, None]
    heights = np.where(np.isnan(heights), -np.inf, heights)
    points, heights = _best(rows, points, heights, kept)
    for draw in np.broadcast_to(noise[:, None] if noise.ndim == 3 else noise, (len(noise), peaks, *noise.shape[-2:])):
        offset = points - points[:, :1]
        spread = np.einsum("med,mef->mdf", offset, offset) / kept
        variance = np.diagonal(spread, axis1=1, axis2=2)
        jitter = 1e-9 * variance + 1e-24 * (high - low) ** 2  # points in a plane have a singular covariance
        root = np.linalg.cholesky(spread + jitter[:, None, :] * np.eye(dim))
        new = np.clip(points[:, :1] + np.einsum("mrd,med->mre", draw, root), low, high)
        found = density(new)
        points = np.concatenate([points, new], axis=1)
        heights = np.concatenate([heights, np.where(np.isnan(found), -np.inf, found)], axis=1)
        points, heights = _best(rows, points, heights, kept)
    return points[:, 0], heights[:, 0]


def _best(rows: NDArray[np.intp], points: Floats, heights: Floats, kept: int) -> tuple[Floats, Floats]:
    order = np.argsort(-heights, axis=1, kind="stable")[:, :kept]
    return points[rows, order], heights[rows, order]
