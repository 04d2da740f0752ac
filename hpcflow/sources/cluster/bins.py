"""The stars of an isochrone in a few bins, of which those that matter to the scatter of fluxes are counted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bins", "binned"]

Floats = NDArray[np.float64]

MEAN = 0.005  # share of the variance in any band that may be lost by taking faint bins at their mean
BINS = 40  # that are counted


@dataclass(frozen=True)
class Bins:
    """Bins of stars: how many form per solar mass (K,), the flux of one (K, B), and the rest's per solar mass (B,)."""

    rate: Floats
    light: Floats
    rest: Floats

    @property
    def mean(self) -> Floats:
        """The mean flux (B,) per solar mass formed."""
        return np.asarray(self.rest + self.rate @ self.light)

    @property
    def variance(self) -> Floats:
        """The variance (B,) of the flux per solar mass of a cluster of one."""
        return np.asarray(self.rate @ self.light**2)


def binned(rate: Floats, light: Floats, most: int = BINS) -> Bins:
    """Return bins of stars, at most so many, with the same mean flux and nearly the same variance as fine ones.

    Those that matter least are not counted; then neighbours are merged, each time the two whose merging loses the least
    of the variance.

    Args:
        rate: stars per solar mass formed in each fine bin (P,), in the order of mass.
        light: flux of one star (P, B).
        most: largest number of bins.
    """
    share = (rate[:, None] * light**2 / (rate @ light**2)).max(axis=1)
    order = np.argsort(share, kind="stable")
    counted = np.ones(len(rate), dtype=bool)
    counted[order[np.cumsum(share[order]) < MEAN]] = False
    rest = rate[~counted] @ light[~counted]
    rate, light, whole = rate[counted], light[counted], rate @ light**2
    loss = _loss(rate[:-1], rate[1:], light[:-1], light[1:], whole)
    while len(rate) > most:
        k = int(np.argmin(loss))
        both = rate[k] + rate[k + 1]
        light[k] = (rate[k] * light[k] + rate[k + 1] * light[k + 1]) / both
        rate[k] = both
        rate, light, loss = np.delete(rate, k + 1), np.delete(light, k + 1, axis=0), np.delete(loss, k)
        for j in range(max(0, k - 1), min(k + 1, len(loss))):
            loss[j] = _loss(rate[j], rate[j + 1], light[j], light[j + 1], whole)
    return Bins(rate, light, rest)


def _loss(rate: Floats, other: Floats, light: Floats, with_: Floats, whole: Floats) -> Floats:
    """Return the share (...) of the variances (B,) of the whole that is lost if bins are merged, summed over bands."""
    weight = np.asarray(rate * other / (rate + other))
    return np.asarray((weight[..., None] * (light - with_) ** 2 / whole).sum(axis=-1))
