"""From samples near a maximum to the maximum: a search that needs no slopes, as these densities have kinks and cliffs.

The highest points known of a hill say where it lies and how it is stretched; new ones are drawn around the highest of
them from a Gaussian of that shape, and the highest of all are kept: the cross-entropy method (Rubinstein 1999,
Methodol. Comput. Appl. Probab. 1, 127) with its mean at the best point. All hills of a cluster are climbed together.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["ELITE", "ROUNDS", "ROWS", "climb"]

Floats = NDArray[np.floating]

ELITE = 16  # points that say how a hill lies
ROWS = 48  # new points a round and hill
ROUNDS = 8  # each takes the width of what is left to some 0.6 of itself


def climb(
    density: Callable[[Floats], Floats], points: Floats, heights: Floats, low: Floats, high: Floats, noise: Floats
) -> tuple[Floats, Floats]:
    """Return the highest place (M, D) of each of M hills, and the log-density (M,) there.

    Args:
        density: log-density (n,) of points (n, D), up to a constant; NaN is taken as nothing.
        points: (M, E, D) of each hill, E points that are known.
        heights: (M, E) their log-density.
        low: (D,) bounds that are never left,
        high: from below and from above.
        noise: (R, ROWS, D) standard normal, for R rounds.
    """
    hills, kept, dim = points.shape
    rows = np.arange(hills)[:, None]
    heights = np.where(np.isnan(heights), -np.inf, heights)
    points, heights = _best(rows, points, heights, kept)
    for draw in noise:
        offset = points - points[:, :1]
        spread = offset.mT @ offset / kept
        variance = np.diagonal(spread, axis1=1, axis2=2)
        jitter = 1e-9 * variance + 1e-24 * (high - low) ** 2  # points in a plane have no volume
        root = np.linalg.cholesky(spread + jitter[:, None, :] * np.eye(dim))
        new = np.clip(points[:, :1] + draw @ root.mT, low, high)
        found = density(new.reshape(-1, dim)).reshape(hills, -1)
        points = np.concatenate([points, new], axis=1)
        heights = np.concatenate([heights, np.where(np.isnan(found), -np.inf, found)], axis=1)
        points, heights = _best(rows, points, heights, kept)
    return points[:, 0], heights[:, 0]


def _best(rows: NDArray[np.intp], points: Floats, heights: Floats, kept: int) -> tuple[Floats, Floats]:
    order = np.argsort(-heights, axis=1, kind="stable")[:, :kept]
    return points[rows, order], heights[rows, order]
