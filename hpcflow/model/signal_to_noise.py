"""What a catalogue lists and what is true under normal noise: the signal-to-noise ratios f* / sigma and f / sigma.

If the true relative error sigma / f is uniform in the logarithm, an error says nothing about its flux, and the
likelihood of a catalogue's (f*, sigma) is the noise alone, as in every chi^2 fit. Drawn like that, nearly all bands
would be undetected. But whatever is chosen by f* / sigma alone leaves posteriors unchanged: the ratio has the same
distribution for every flux, so the density of (f*, sigma) given f gains a factor that depends on the data and not on f.
So the listed ratio is drawn first, from whatever distribution trains well, and the true one from its conditional.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc

__all__ = ["LEAST_SIGNAL", "SignalToNoise"]

Array = Any  # numpy array or torch tensor

LEAST_SIGNAL = 1e-4  # smallest true f / sigma: a band is then 10 magnitudes below its error
REACH = 8.0  # the largest true f / sigma is so many standard deviations above the largest listed one
PAIRS = 20  # log2 of the number of pairs
ALONE = 0.1  # fraction of detected bands whose error is not limited by that of its cluster


@dataclass(frozen=True)
class SignalToNoise:
    """The distribution of listed and true signal-to-noise ratios in training.

    A band is undetected with probability `undetected`: its listed error is above the highest, or its flux negative. The
    errors of detected bands are about uniform in the logarithm, from the lowest up to a limit that the bands of a
    cluster share, so that most clusters have small errors in all bands or larger ones in all.

    Args:
        low: lowest relative error sigma / f* that a catalogue lists, above 0.
        high: highest one of detected bands.
        undetected: probability that a band is not detected.

    >>> listed, true = SignalToNoise(0.05, 0.5).draw(np.array([[0.9, 0.5, 0.5, 0.5, 0.3]]))
    >>> listed.shape, bool((1 / listed > 0.05).all()), bool((1 / listed < 0.5).all())
    ((1, 2), True, True)
    """

    low: float
    high: float
    undetected: float = 0.0

    @property
    def highest(self) -> float:
        """The largest true ratio f / sigma."""
        return 1 / self.low + REACH

    def draw(self, uniform: Array) -> tuple[Array, Array]:
        """Turn uniform random numbers (N, 2 B + 1) on [0, 1) into listed and true ratios (N, B)."""
        xp = array_namespace(uniform)
        detected, undetected = _pairs(self, xp, uniform.dtype, uniform.device)
        bands = (uniform.shape[1] - 1) // 2
        limit, branch, place = uniform[:, :1], uniform[:, 1 : bands + 1], uniform[:, bands + 1 :]
        seen = branch >= self.undetected
        alone = branch < self.undetected + ALONE * (1 - self.undetected)
        count = xp.where(alone, xp.ones_like(limit), limit) * detected.shape[1]
        chosen = xp.astype(xp.where(seen, place * count, place * undetected.shape[1]), xp.int64)
        picked = xp.where(seen, detected[:, xp.where(seen, chosen, 0)], undetected[:, xp.where(seen, 0, chosen)])
        return picked[0], picked[1]


@lru_cache(maxsize=4)
def _made(law: SignalToNoise) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return pairs (2, n) of listed and true ratios: detected ones, by decreasing listed ratio, and undetected ones.

    They are quasi-random: their distribution is that of the law to one part in 10^4.
    """
    unit = qmc.Sobol(2, scramble=False).random_base2(PAIRS) + 0.5 ** (PAIRS + 1)
    true = LEAST_SIGNAL * (law.highest / LEAST_SIGNAL) ** unit[:, 0]
    listed = true + ndtri(unit[:, 1])
    pairs = np.stack([listed, true])[:, np.argsort(-listed, kind="stable")]
    detected = (pairs[0] < 1 / law.low) & (pairs[0] > 1 / law.high)
    return pairs[:, detected], pairs[:, pairs[0] <= 1 / law.high]


@lru_cache(maxsize=8)
def _pairs(law: SignalToNoise, xp: Any, dtype: Any, device: Any) -> tuple[Array, Array]:
    """Return the pairs on a device; cached, because copying them in every call makes a GPU wait for its host."""
    detected, undetected = (xp.asarray(pairs, dtype=dtype, device=device) for pairs in _made(law))
    return detected, undetected
