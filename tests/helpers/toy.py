"""A simulator that is a formula: power laws in age behind dust, in up to four bands."""

from collections import Counter
from typing import ClassVar

import numpy as np

__all__ = ["Toy"]

SLOPES = {"U": 1.0, "B": 0.8, "V": 0.6, "I": 0.4}
DUST = {"U": 6.0, "B": 4.0, "V": 3.0, "I": 2.0}


class Toy:
    """Fluxes of clusters of log_age and ebv in the bands named by the letters of a word."""

    parameters = ("log_age", "ebv")
    provenance: ClassVar[dict[str, str]] = {}
    reasons: ClassVar[Counter[str]] = Counter()

    def __init__(self, bands: str = "UBVI") -> None:
        self.bands = tuple(bands)

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        """Return fluxes (N, B) for theta (N, 2)."""
        age, ebv = theta.T[..., None]
        slope, dust = (np.array([of[band] for band in self.bands]) for of in (SLOPES, DUST))
        return 10 ** (5 - slope * (age - 6) - 0.4 * ebv * dust)
