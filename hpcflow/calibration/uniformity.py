"""Tests of the uniformity of ranks, with exact expectations for any number of posterior samples."""

from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrik
from scipy.stats import kstwo

__all__ = [
    "Binned",
    "binned",
    "coverage",
    "ecdf_difference",
    "largest_by_chance",
    "off",
    "places",
    "share_inside",
    "simultaneous",
]

Floats = NDArray[np.floating]

TRIALS = 2000  # sets of uniform ranks that calibrate the width of a simultaneous band
PLACES = 200  # maximum number of points at which an ECDF is evaluated


@dataclass(frozen=True)
class Binned:
    """A rank histogram over [0, 1]: edges (K + 1,), counts over those of uniform ranks, and their sigma, (K,) each."""

    edges: Floats
    ratio: Floats
    sigma: Floats


def binned(rank: Floats, bins: int, samples: int = 0) -> Binned:
    """Return the histogram of ranks relative to the expectation for uniform ranks.

    With L samples a rank is one of 0, 1/L .. 1. They fill bins evenly only if the number of bins divides L + 1, so each
    bin is compared with the number of possible ranks in it.

    Args:
        rank: (N,) shares of samples below the truth; NaNs are left out.
        bins: number of bins.
        samples: L, the number of samples behind each rank; 0 if ranks are continuous.
    """
    place = _place(rank, samples)
    edges = np.linspace(0, 1, bins + 1)
    counts = np.histogram(place, edges)[0]
    expected = np.full(bins, 1 / bins)
    if samples:
        expected = np.histogram((np.arange(samples + 1) + 0.5) / (samples + 1), edges)[0] / (samples + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = counts / (len(place) * expected)
        sigma = np.sqrt((1 - expected) / (len(place) * expected))
    return Binned(edges, ratio, sigma)


def ecdf_difference(rank: Floats, samples: int = 0, shares: tuple[float, float] = (0.01, 0.99)) -> Floats:
    """Return rows z, ECDF(z) - z, and the lower and upper edge of the band at every z, (4, Z).

    For calibrated posteriors N ECDF(z) is binomial with probability z; the band lies between two of its quantiles, in
    the normal approximation. Source: Talts et al. 2018 (arXiv:1804.06788), sect. 5.
    """
    place = np.sort(_place(rank, samples))
    z = np.arange(1, samples + 1) / (samples + 1) if samples else np.linspace(0, 1, 201)
    difference = np.searchsorted(place, z, side="right") / max(len(place), 1) - z
    sigma = np.sqrt(z * (1 - z) / max(len(place), 1))
    low, high = (NormalDist().inv_cdf(share) * sigma for share in shares)
    return np.stack([z, difference, low, high])


def simultaneous(rank: Floats, samples: int = 0, share: float = 0.98) -> Floats:
    """Return rows z, ECDF(z) - z, and the lower and upper edge of the simultaneous band, (4, Z).

    The band is binomial at each point, at the level at which a given share of the curves of uniform ranks stay inside
    it everywhere. Source: Saeilynoja, Buerkner & Vehtari 2022 (Statistics and Computing 32, 32), sect. 2.2, by
    simulation.

    Args:
        rank: (N,) shares of samples below the truth; NaNs are left out.
        samples: L, the number of samples behind each rank; 0 if ranks are continuous.
        share: share of calibrated curves that stay inside the band.
    """
    place = np.sort(_place(rank, samples))
    z = _places(samples)
    counts = np.searchsorted(place, z, side="right")
    n = max(len(place), 1)
    level = _level(n, samples, share)
    low, high = (np.ceil(np.nan_to_num(bdtrik(tail, n, z))) for tail in (level / 2, 1 - level / 2))
    return np.stack([z, counts / n - z, low / n - z, high / n - z])


@lru_cache(maxsize=64)
def _level(n: int, samples: int, share: float) -> float:
    """Return the two-sided probability of one point outside the band that contains a share of all curves."""
    z = _places(samples)
    rng = np.random.default_rng(n)  # seeded by n, so that the band is always the same
    steps = rng.multinomial(n, np.diff(z, prepend=0, append=1), TRIALS)
    counts = steps.cumsum(axis=1)[:, :-1]
    upper = 1 - np.where(counts > 0, bdtr(np.maximum(counts - 1.0, 0.0), n, z), 0.0)
    return float(np.quantile(2 * np.minimum(bdtr(counts, n, z), upper).min(axis=1), 1 - share))


def _places(samples: int) -> Floats:
    """Return the points where ECDFs are evaluated: all or some of the values between possible ranks."""
    steps = samples + 1 if samples else PLACES
    every = -(-steps // PLACES)
    return np.arange(every, steps, every) / steps


def off(rank: Floats, samples: int = 0) -> float:
    """Return the largest difference between the ECDF of ranks and the uniform CDF."""
    return float(np.abs(ecdf_difference(rank, samples)[1]).max())


def largest_by_chance(n: int, share: float = 0.999) -> float:
    """Return the bound that the largest ECDF difference of n uniform ranks stays below with a given probability.

    It is a quantile of the two-sided Kolmogorov-Smirnov statistic, exact for every n if ranks are continuous. Ranks
    among L samples are discrete and differ less, so more than the given share of records stay below it.

    Args:
        n: number of ranks; 0 counts as 1.
        share: share of calibrated records that stay below; 999 of 1000 by default.

    >>> round(largest_by_chance(10_000), 4)
    0.0195
    """
    return float(kstwo.isf(1 - share, max(n, 1)))


def coverage(rank: Floats, levels: Floats, samples: int = 0) -> Floats:
    """Return rows of level, share of truths inside the central interval, and its standard error if calibrated, (3, Q).

    With L samples central intervals have discrete levels, so the requested levels are replaced by possible ones.

    Args:
        rank: (N,) shares of samples below the truth; NaNs are left out.
        levels: (Q,) levels of the central intervals.
        samples: L, the number of samples behind each rank; 0 if ranks are continuous.
    """
    if samples:
        levels = _inside(np.arange(samples + 1) / samples, levels, samples)
    share = _inside(rank, levels + 1e-9, samples)
    return np.stack([levels, share, np.sqrt(levels * (1 - levels) / max(np.isfinite(rank).sum(), 1))])


def share_inside(rank: Floats, level: float, samples: int = 0) -> float:
    """Return the share of truths in the central interval of one level, interpolated between those that L samples allow.

    An interval between interpolated quantiles of L samples contains less than its level, level (L - 1) / (L + 1); ranks
    give the share that it really contains.
    """
    if not samples:
        return float(_inside(rank, np.array([level]), 0)[0])
    levels, share, _ = coverage(rank, np.linspace(0, 1, 2 * samples + 3), samples)
    return float(np.interp(level, levels, share))


def _inside(rank: Floats, levels: Floats, samples: int) -> Floats:
    away = np.sort(2 * np.abs(_place(rank, samples) - 0.5))
    return np.asarray(np.searchsorted(away, levels, side="left") / max(len(away), 1))


def places(rank: Floats, samples: int) -> Floats:
    """Return ranks as points in the open unit interval: with L samples they are 1/2 .. L + 1/2 over L + 1."""
    return np.asarray((np.rint(rank * samples) + 0.5) / (samples + 1) if samples else rank, dtype=float)


def _place(rank: Floats, samples: int) -> Floats:
    """Return the finite ranks as points in the open unit interval."""
    rank = np.asarray(rank, dtype=float)
    return places(rank[np.isfinite(rank)], samples)
