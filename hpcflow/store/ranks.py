"""What ranks of truths among posterior samples say: exact expectations for any number of samples."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

__all__ = ["Binned", "binned", "coverage", "ecdf_difference"]

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Binned:
    """A rank histogram over [0, 1]: edges (K + 1,), counts over the uniform expectation and its sigma, (K,) each."""

    edges: Floats
    ratio: Floats
    sigma: Floats


def binned(rank: Floats, bins: int, samples: int = 0) -> Binned:
    """Return the histogram of ranks relative to what uniform ranks give.

    With L samples a rank is one of 0, 1/L .. 1, which no number of bins but a divisor of L + 1 shares out
    evenly; each bin is therefore compared with the ranks that it really holds.

    Args:
        rank: (N,) shares of samples below the truth; NaN are left out.
        bins: how many bins.
        samples: L, the number of samples behind each rank; 0 where ranks are continuous.
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
    """Return rows z, ECDF(z) - z, and the band's low and high at every z, (4, Z).

    Under calibration N ECDF(z) is binomial of probability z; the band is its two quantiles, as normal.
    Source: Talts et al. 2018 (arXiv:1804.06788), sect. 5.
    """
    place = np.sort(_place(rank, samples))
    z = np.arange(1, samples + 1) / (samples + 1) if samples else np.linspace(0, 1, 201)
    difference = np.searchsorted(place, z, side="right") / max(len(place), 1) - z
    sigma = np.sqrt(z * (1 - z) / max(len(place), 1))
    low, high = (NormalDist().inv_cdf(share) * sigma for share in shares)
    return np.stack([z, difference, low, high])


def coverage(rank: Floats, levels: Floats, samples: int = 0) -> Floats:
    """Return rows level, share of truths inside the central interval, its standard error if calibrated, (3, Q).

    With L samples an interval can only have one of some levels; those asked for become what they can be.

    Args:
        rank: (N,) shares of samples below the truth; NaN are left out.
        levels: (Q,) of the central intervals.
        samples: L, the number of samples behind each rank; 0 where ranks are continuous.
    """
    if samples:
        levels = _inside(np.arange(samples + 1) / samples, levels, samples)
    share = _inside(rank, levels + 1e-9, samples)
    return np.stack([levels, share, np.sqrt(levels * (1 - levels) / max(np.isfinite(rank).sum(), 1))])


def _inside(rank: Floats, levels: Floats, samples: int) -> Floats:
    away = np.sort(2 * np.abs(_place(rank, samples) - 0.5))
    return np.asarray(np.searchsorted(away, levels, side="left") / max(len(away), 1))


def _place(rank: Floats, samples: int) -> Floats:
    """Return finite ranks as places in the open unit interval."""
    finite = np.asarray(rank, dtype=float)[np.isfinite(rank)]
    return (np.rint(finite * samples) + 0.5) / (samples + 1) if samples else finite
