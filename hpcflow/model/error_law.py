"""The distribution of true relative errors r = sigma / f, and its density."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ErrorLaw"]

Array = Any  # numpy array or torch tensor
Floats = NDArray[np.floating]


@dataclass(frozen=True)
class ErrorLaw:
    """Relative errors from `low` to `high`, uniform in r or in log r.

    If r is uniform in the logarithm, an error carries no information on its flux, p(sigma | f) = 1 / (sigma ln(high /
    low)), and the likelihood is the noise alone, as in every chi^2 fit. If r is uniform, p(sigma | f) = 1 / (f (high -
    low)).

    Args:
        low: smallest relative error; above 0 where `log`.
        high: largest.
        log: whether r is uniform in the logarithm.

    >>> ErrorLaw(0.1, 0.5).draw(np.array([0.0, 0.5])), ErrorLaw(0.01, 100.0, log=True).draw(np.array([0.5]))
    (array([0.1, 0.3]), array([1.]))
    """

    low: float
    high: float
    log: bool = False

    def draw(self, uniform: Array) -> Array:
        """Turn uniform random numbers (...) on [0, 1) into relative errors (...), in the array's own library."""
        if self.log:
            return self.low * (self.high / self.low) ** uniform
        return self.low + (self.high - self.low) * uniform

    def log_density(self, log_f: Floats, sigma: Floats) -> Floats:
        """Return log p(sigma | f) (...) within the range of errors; it continues smoothly beyond that range."""
        if self.log:
            return -np.log(sigma) - np.log(np.log(self.high / self.low)) + np.zeros_like(log_f)
        return -log_f - np.log(self.high - self.low)

    @property
    def slope(self) -> float:
        """The constant slope of `log_density` in ln f."""
        return 0.0 if self.log else -1.0
