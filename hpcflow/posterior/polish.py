"""Refinement of modes: from those that mean shift finds among samples to the maxima of a density."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.prior import Prior
from hpcflow.posterior.climb import ELITE, climb
from hpcflow.posterior.modes import Modes
from hpcflow.posterior.target import Posterior

__all__ = ["exact_modes", "polish", "shares"]

Floats = NDArray[np.floating]
Density = Callable[[Floats], Floats]

NEAR = 256  # samples around a start, the highest of which begin its climb; others may belong to another peak
PEAKS = 2  # highest samples that are starts as well, because mean shift misses thin peaks with few samples
APART = 0.5  # smallest separation of those, in widths of the posterior
SAMPLES = 2000  # samples of an exact posterior from which the modes' shares are computed
DIP = 0.5  # nats by which the density must fall between two maxima, or they are one mode
STEPS = 9  # points on the line between two maxima


def polish(density: Density, log_p: Floats, theta: Floats, modes: Modes, prior: Prior, noise: Floats) -> Modes:
    """Climb from each mode of one posterior and from its highest samples, and merge maxima that are one mode.

    Args:
        density: log-density (n,) of points (n, D), up to a constant.
        log_p: (n,) log-density of the samples.
        theta: (n, D) samples.
        modes: modes of one posterior, as numpy arrays without the first axis.
        prior: prior whose bounds limit the search.
        noise: (R, ROWS, D) standard normal draws, see `climb`.

    Returns:
        modes, highest first, with their log-density under `density`.
    """
    low, high = prior.low, prior.high
    spread = theta.std(axis=0, dtype=np.float64) + 1e-12 * (high - low)
    white = theta / spread
    starts = [*(modes.location[np.isfinite(modes.share)] / spread), *white[_peaks(white, log_p)]]
    away = np.stack([((white - start) ** 2).sum(axis=1) for start in starts])
    near = np.argpartition(away, min(NEAR, len(theta)) - 1, axis=1)[:, :NEAR]
    near = np.sort(near, axis=1)  # argpartition leaves the order within undefined
    best = np.take_along_axis(near, np.argsort(-log_p[near], axis=1, kind="stable")[:, :ELITE], axis=1)
    places, tops = climb(density, theta[best].astype(np.float64), log_p[best], low, high, noise)
    return _joined(density, places, tops, white, spread, len(modes.share))


def exact_modes(posterior: Posterior, modes: int, rng: np.random.Generator) -> Modes:
    """Return the modes of an exact posterior, with their log-density and their shares of its samples."""
    places, samples = posterior.modes(modes, rng), posterior.sample(SAMPLES, rng)
    spread = samples.std(axis=0)
    tops = posterior.log_prob(places)
    return _joined(posterior.log_prob, places, tops, samples / spread, spread, modes)


def _peaks(white: Floats, log_p: Floats) -> list[int]:
    """Return the indices of the highest samples (n, D) that are at least APART from each other."""
    found: list[int] = []
    left = np.isfinite(log_p)
    while left.any() and len(found) < PEAKS:
        found.append(int(np.where(left, log_p, -np.inf).argmax()))
        left &= ((white - white[found[-1]]) ** 2).sum(axis=1) > APART**2
    return found


def _joined(density: Density, places: Floats, tops: Floats, white: Floats, spread: Floats, modes: int) -> Modes:
    """Return up to `modes` maxima, one per peak, highest first, with the share of samples nearest to each."""
    order = np.argsort(-tops, kind="stable")
    divided = _divided(density, places, tops)
    kept: list[int] = []
    for k in order.tolist():
        if all(divided[k, j] for j in kept):
            kept.append(k)
    kept, missing = kept[:modes], max(0, modes - len(kept))
    return Modes(
        np.pad(places[kept], ((0, missing), (0, 0)), constant_values=np.nan),
        np.pad(_shares(places[kept] / spread, white), (0, missing), constant_values=np.nan),
        np.pad(tops[kept], (0, missing), constant_values=np.nan),
    )


def shares(places: Floats, theta: Floats) -> Floats:
    """Return the fraction (M,) of samples theta (n, D) nearest to each of the modes (M, D); NaN for absent modes."""
    there = np.isfinite(places).all(axis=1)
    spread = theta.std(axis=0, dtype=np.float64) + 1e-12
    found = np.full(len(places), np.nan)
    found[there] = _shares(places[there] / spread, theta / spread)
    return found


def _shares(places: Floats, white: Floats) -> Floats:
    nearest = np.stack([((white - place) ** 2).sum(axis=1) for place in places]).argmin(axis=0)
    return np.bincount(nearest, minlength=len(places)) / len(white)


def _divided(density: Density, places: Floats, tops: Floats) -> NDArray[np.bool_]:
    """Return which pairs of maxima (M, M) have a dip between them; kinks in the spectra cause small local maxima."""
    count = len(places)
    share = np.linspace(0, 1, STEPS + 2)[1:-1, None]
    ways = places[:, None, None] * (1 - share) + places[None, :, None] * share  # (M, M, STEPS, D)
    lowest = density(ways.reshape(-1, places.shape[1])).reshape(count, count, -1).min(axis=2)
    return np.asarray(~(lowest >= np.minimum(tops[:, None], tops) - DIP))
