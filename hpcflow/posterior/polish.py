"""Refinement of modes: from those that mean shift finds among samples to the maxima of a density."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.prior import Prior
from hpcflow.posterior.climb import ELITE, climb
from hpcflow.posterior.modes import Modes
from hpcflow.posterior.target import Posterior

__all__ = ["exact_modes", "polish", "shares"]

Floats = NDArray[np.floating]
Density = Callable[[Floats, NDArray[np.intp]], Floats]

NEAR = 256  # samples around a start, the highest of which begin its climb; others may belong to another peak
PEAKS = 2  # highest samples that are starts as well, because mean shift misses thin peaks with few samples
APART = 0.5  # smallest separation of those, in widths of the posterior
SAMPLES = 2000  # samples of an exact posterior from which the modes' shares are computed
DIP = 0.5  # nats by which the density must fall between two maxima, or they are one mode
STEPS = 9  # points on the line between two maxima


def polish(
    density: Density, log_p: Floats, theta: Floats, modes: Sequence[Modes], prior: Prior, noise: Floats
) -> list[Modes]:
    """Climb from each mode of each posterior and from its highest samples, and merge maxima that are one mode.

    Args:
        density: log-density (M, n), up to a constant, of points (M, n, D) under the posteriors of number `of` (M,).
        log_p: (N, n) log-density of the samples of N posteriors.
        theta: (N, n, D) these samples.
        modes: modes of each posterior, as numpy arrays without the first axis.
        prior: prior whose bounds limit the search.
        noise: (N, R, ROWS, D) standard normal draws, see `climb`.

    Returns:
        modes, highest first, with their log-density under `density`.
    """
    low, high = prior.low, prior.high
    spread = theta.std(axis=1, dtype=np.float64) + 1e-12 * (high - low)
    white = theta / spread[:, None]
    best = [_starts(*one) for one in zip(white, log_p, modes, spread, strict=True)]
    of = np.repeat(np.arange(len(theta)), [len(rows) for rows in best])
    rows = np.concatenate(best)
    points, heights = theta[of[:, None], rows].astype(np.float64), log_p[of[:, None], rows]
    places, tops = climb(lambda new: density(new, of), points, heights, low, high, noise[of].swapaxes(0, 1))
    return _joined(density, places, tops, of, white, spread, len(modes[0].share))


def exact_modes(posterior: Posterior, modes: int, rng: np.random.Generator) -> Modes:
    """Return the modes of an exact posterior, with their log-density and their shares of its samples."""
    places, samples = posterior.modes(modes, rng), posterior.sample(SAMPLES, rng)
    spread, tops = samples.std(axis=0), posterior.log_prob(places)

    def density(points: Floats, _: NDArray[np.intp]) -> Floats:
        return posterior.log_prob(points.reshape(-1, points.shape[-1])).reshape(points.shape[:-1])

    only = np.zeros(len(places), dtype=np.intp)
    return _joined(density, places, tops, only, (samples / spread)[None], spread[None], modes)[0]


def _starts(white: Floats, log_p: Floats, modes: Modes, spread: Floats) -> NDArray[np.intp]:
    """Return the samples (M, ELITE) from which each climb of one posterior starts."""
    starts = [*(modes.location[np.isfinite(modes.share)] / spread), *white[_peaks(white, log_p)]]
    away = np.stack([((white - start) ** 2).sum(axis=1) for start in starts])
    near = np.argpartition(away, min(NEAR, len(white)) - 1, axis=1)[:, :NEAR]
    near = np.sort(near, axis=1)  # argpartition leaves the order within undefined
    return np.take_along_axis(near, np.argsort(-log_p[near], axis=1, kind="stable")[:, :ELITE], axis=1)


def _peaks(white: Floats, log_p: Floats) -> list[int]:
    """Return the indices of the highest samples (n, D) that are at least APART from each other."""
    found: list[int] = []
    left = np.isfinite(log_p)
    while left.any() and len(found) < PEAKS:
        found.append(int(np.where(left, log_p, -np.inf).argmax()))
        left &= ((white - white[found[-1]]) ** 2).sum(axis=1) > APART**2
    return found


def _joined(
    density: Density, places: Floats, tops: Floats, of: NDArray[np.intp], white: Floats, spread: Floats, modes: int
) -> list[Modes]:
    """Return up to `modes` maxima of each posterior, one per peak, highest first, with the share of samples nearest."""
    own = [np.flatnonzero(of == k) for k in range(len(white))]
    divided = _divided(density, places, tops, own)
    found = []
    for k, rows in enumerate(own):
        kept: list[int] = []
        for row in np.argsort(-tops[rows], kind="stable").tolist():
            if all(divided[k][row, other] for other in kept):
                kept.append(row)
        chosen, missing = rows[kept[:modes]], max(0, modes - len(kept))
        found.append(
            Modes(
                np.pad(places[chosen], ((0, missing), (0, 0)), constant_values=np.nan),
                np.pad(_shares(places[chosen] / spread[k], white[k]), (0, missing), constant_values=np.nan),
                np.pad(tops[chosen], (0, missing), constant_values=np.nan),
            )
        )
    return found


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


def _divided(
    density: Density, places: Floats, tops: Floats, own: Sequence[NDArray[np.intp]]
) -> list[NDArray[np.bool_]]:
    """Return which pairs of each posterior's maxima (M, M) have a dip between them.

    Kinks in the spectra cause small local maxima.
    """
    share = np.linspace(0, 1, STEPS + 2)[1:-1, None]
    pairs = [np.repeat(rows, len(rows)) for rows in own], [np.tile(rows, len(rows)) for rows in own]
    one, other = (np.concatenate(rows) for rows in pairs)
    ways = places[one, None] * (1 - share) + places[other, None] * share  # (pairs, STEPS, D)
    number = np.repeat(np.arange(len(own)), [len(rows) ** 2 for rows in own])
    apart = ~(density(ways, number).min(axis=1) >= np.minimum(tops[one], tops[other]) - DIP)
    sizes = [len(rows) for rows in own]
    parts = np.split(apart, np.cumsum([size**2 for size in sizes])[:-1])
    return [part.reshape(size, size) for part, size in zip(parts, sizes, strict=True)]
