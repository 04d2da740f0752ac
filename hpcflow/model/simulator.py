"""The Protocol of all simulators: noiseless fluxes from parameters."""

from collections import Counter
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Derived", "Quantity", "Simulator"]

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Quantity:
    """A quantity that follows from parameters: its name, unit and meaning."""

    name: str
    unit: str
    long_name: str


class Derived(Protocol):
    """Quantities that follow from the parameters of clusters."""

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Return what is derived."""

    def __call__(self, theta: Floats) -> Floats:
        """Return the quantities (n, K) of clusters with all parameters theta (n, D), in the order of the prior."""
        ...


class Simulator(Protocol):
    """Noiseless fluxes of clusters: mJy at 10 pc per solar mass formed; a failed row is NaN, never an exception.

    `reasons` counts the failed rows of the last call by the reason of their failure.
    """

    parameters: tuple[str, ...]
    bands: tuple[str, ...]
    provenance: dict[str, str]
    reasons: Counter[str]

    def __call__(self, theta: Floats) -> Floats:
        """Return fluxes (N, B) for theta (N, D) in declared units, with columns in the order of `parameters`."""
        ...
