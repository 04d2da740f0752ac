"""What every simulator is."""

from collections import Counter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Simulator"]

Floats = NDArray[np.floating]


class Simulator(Protocol):
    """Noiseless fluxes of clusters: mJy at 10 pc per solar mass formed; a failed row is NaN, never an exception.

    `reasons` says how many rows of the last call failed, and why.
    """

    parameters: tuple[str, ...]
    bands: tuple[str, ...]
    provenance: dict[str, str]
    reasons: Counter[str]

    def __call__(self, theta: Floats) -> Floats:
        """Return fluxes (N, B) for theta (N, D), columns as `parameters`, in declared units."""
        ...
