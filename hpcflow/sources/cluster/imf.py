"""The initial mass function of Kroupa (2001), which is also that of the SSP table that ships."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["HEAVIEST", "LIGHTEST", "stars_between"]

Floats = NDArray[np.float64]

LIGHTEST, BREAK, HEAVIEST = 0.1, 0.5, 100.0  # solar masses
SLOPES = (-1.3, -2.3)  # of dN/dm below and above the break; Kroupa 2001 (MNRAS 322, 231), eq. 2


def _below(mass: Floats, power: int) -> Floats:
    """Return the integral (...) of m^power dN/dm from the lightest star to a mass, dN/dm being 1 at the break."""
    found = np.zeros_like(mass)
    for slope, low, high in ((SLOPES[0], LIGHTEST, BREAK), (SLOPES[1], BREAK, HEAVIEST)):
        exponent, end = slope + power + 1, np.clip(mass, low, high) / BREAK
        found += BREAK ** (power + 1) * (end**exponent - (low / BREAK) ** exponent) / exponent
    return found


def stars_between(mass: Floats) -> Floats:
    """Return how many stars (P - 1,) form between initial masses (P,) in solar masses, per solar mass formed.

    >>> round(float(stars_between(np.array([0.1, 100.0]))[0]), 3)  # their mean mass is 0.64
    1.568
    >>> round(float(stars_between(np.array([8.0, 100.0]))[0]), 4)
    0.0111
    """
    return np.asarray(np.diff(_below(mass, 0)) / _below(np.array(HEAVIEST), 1))
