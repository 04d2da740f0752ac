"""Random numbers that are functions of a key and a place alone, and counts of stars that follow from them.

A generator with a state would make a cluster's stars depend on the clusters simulated before it.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

__all__ = ["counts", "keys", "uniforms"]

Floats = NDArray[np.floating]

# SplitMix64: Steele, Lea & Flood 2014 (OOPSLA '14, 453).
GAMMA, FIRST, SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
FULL = 12.0  # expected stars from which a bin's count is drawn from an expansion about the normal distribution
MOST = 80  # stars in a bin of fewer; the probability of more is below 1e-36


def keys(*columns: Floats) -> NDArray[np.uint64]:
    """Return keys (N,) that follow from the bits of numbers (N,), each rounded to 32 bits, as libraries store them."""
    found = np.zeros(len(columns[0]), dtype=np.uint64)
    for column in columns:
        bits = np.ascontiguousarray(column, dtype=np.float32).view(np.uint32)
        found = _mixed((found ^ bits) + GAMMA)
    return found


def uniforms(key: NDArray[np.uint64], columns: int) -> Floats:
    """Return numbers (N, columns) uniform between 0 and 1, neither included: a stream of SplitMix64 for each key (N,).

    >>> both, one = (uniforms(keys(np.array(of)), 3) for of in ([0.25, 0.5], [0.5]))
    >>> bool((both[1] == one[0]).all())
    True
    """
    state = key[:, None] + GAMMA * np.arange(1, columns + 1, dtype=np.uint64)
    return np.asarray((_mixed(state) >> np.uint64(11)) * 2.0**-53 + 2.0**-54, dtype=np.float64)


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = (state ^ (state >> np.uint64(30))) * FIRST
    state = (state ^ (state >> np.uint64(27))) * SECOND
    return state ^ (state >> np.uint64(31))


def counts(expected: Floats, uniform: Floats) -> Floats:
    """Return Poisson counts (...) of given expectation, by the inverse of the distribution function.

    Counts of which many are expected are not whole numbers: l + sqrt(l) z + (z^2 - 1) / 6 with z standard normal has
    the mean and the skewness of a Poisson distribution, and its variance to 0.5 %.

    >>> counts(np.array([0.5, 0.5, 100.0]), np.array([0.6, 0.7, 0.5])).round(2).tolist()
    [0.0, 1.0, 99.83]
    """
    found = np.zeros_like(expected)
    full = expected > FULL
    normal, many = ndtri(uniform[full]), expected[full]
    found[full] = np.maximum(many + np.sqrt(many) * normal + (normal**2 - 1) / 6, 0.0)
    place = np.flatnonzero(~full)
    few, left = expected.ravel()[place], uniform.ravel()[place]
    chance = np.exp(-few)
    left = left - chance  # what is left of the uniform number once the probability of 0, 1, 2 ... stars is taken off
    for count in range(1, MOST):
        more = left > 0
        if not more.any():
            break
        place, few, left, chance = place[more], few[more], left[more], chance[more]
        found.ravel()[place] = count
        chance = chance * few / count
        left = left - chance
    return found
