"""Modes that mean shift found among samples, climbed to the top of their hills on a density itself."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.prior import Prior
from hpcflow.posterior.climb import ELITE, climb
from hpcflow.posterior.modes import Modes

__all__ = ["polish"]

Floats = NDArray[np.floating]

NEAR = 256  # samples around a mode of which the highest are where its climb begins: further ones may be another hill's
SAME = 0.05  # tops closer than this share of the posterior's widths are one mode


def polish(
    density: Callable[[Floats], Floats], log_p: Floats, theta: Floats, modes: Modes, prior: Prior, noise: Floats
) -> Modes:
    """Climb each mode of one posterior, and join those that turn out to be one.

    Args:
        density: log-density (n,) of points (n, D), up to a constant.
        log_p: (n,) the same, of the samples.
        theta: (n, D) samples.
        modes: of one posterior, as numpy arrays without the first axis.
        prior: its bounds are never left.
        noise: (R, ROWS, D) standard normal, see `climb`.

    Returns:
        modes, highest first, whose density is this one.
    """
    low, high = prior.low, prior.high
    spread = theta.std(axis=0, dtype=np.float64) + 1e-12 * (high - low)
    known = np.isfinite(modes.share)
    location, share = modes.location[known], modes.share[known]
    white = theta / spread
    distance = np.stack([((white - place / spread) ** 2).sum(axis=1) for place in location])
    nearest = distance.argmin(axis=0)
    points, heights = [], []
    for k, away in enumerate(distance):
        near = np.argsort(np.where(nearest == k, away, np.inf), kind="stable")[:NEAR]
        near = near[np.argsort(-log_p[near], kind="stable")[:ELITE]]
        points.append(theta[near].astype(np.float64))
        heights.append(log_p[near])
    places, tops = climb(density, np.stack(points), np.stack(heights), low, high, noise)
    return _joined(places, tops, share, spread, len(modes.share))


def _joined(places: Floats, tops: Floats, share: Floats, spread: Floats, modes: int) -> Modes:
    """Return the tops, highest first, of which two in the same place are one with the shares of both."""
    joined: dict[int, float] = {}
    for k in np.argsort(-tops, kind="stable").tolist():
        same = [j for j in joined if (np.abs(places[k] - places[j]) < SAME * spread).all()]
        at = same[0] if same else k
        joined[at] = joined.get(at, 0.0) + float(share[k])
    order, missing = list(joined), modes - len(joined)
    return Modes(
        np.pad(places[order], ((0, missing), (0, 0)), constant_values=np.nan),
        np.pad(list(joined.values()), (0, missing), constant_values=np.nan),
        np.pad(tops[order], (0, missing), constant_values=np.nan),
    )
