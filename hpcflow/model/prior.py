"""The prior: bounded parameters, and the probit of their bounds, on which flows work."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from hpcflow.base.errors import InputError
from hpcflow.model.law import Law

__all__ = ["Parameter", "Prior"]

Floats = NDArray[np.floating]

# The probit of 0 and 1 is infinite; a float32 next to a bound rounds onto it. This margin is +-5.2 sigma.
EDGE = 1e-7


@dataclass(frozen=True)
class Parameter:
    """One parameter: uniform between its bounds, or uniform in its logarithm where `scale` is "log"."""

    name: str
    low: float
    high: float
    unit: str = ""
    scale: Literal["linear", "log"] = "linear"

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise InputError(f"parameter {self.name}: low {self.low} must be below high {self.high}")
        if self.scale == "log" and self.low <= 0:
            raise InputError(f"parameter {self.name}: a log scale needs low > 0, not {self.low}")


@dataclass(frozen=True)
class Prior:
    """The joint prior over named parameters, p(theta) = prod_i p_i(theta_i), or a law that ties them to each other.

    The maps to the unit cube and to the latent space are those of independent parameters, whatever the law: it is a
    density inside their bounds, and flows learn it as they learn everything else.

    >>> prior = Prior((Parameter("log_age", 6, 10.1383, "dex(yr)"), Parameter("ebv", 0, 1.5, "mag")))
    >>> prior.to_latent(np.array([[8.06915, 0.75]])).round(6)
    array([[0., 0.]])
    """

    parameters: tuple[Parameter, ...]
    law: Law | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters' names, in the order of every theta's columns."""
        return tuple(p.name for p in self.parameters)

    @property
    def low(self) -> Floats:
        """Lower bounds (D,) in declared units."""
        return np.array([p.low for p in self.parameters])

    @property
    def high(self) -> Floats:
        """Upper bounds (D,) in declared units."""
        return np.array([p.high for p in self.parameters])

    def select(self, names: Iterable[str]) -> "Prior":
        """Return the prior over some of the parameters, in the order asked for.

        Raises:
            InputError: if a name is not a parameter, or hangs on one that is left out.
        """
        names, by_name = tuple(names), {p.name: p for p in self.parameters}
        try:
            return Prior(tuple(by_name[name] for name in names), self.law and self.law.select(names))
        except KeyError as e:
            raise InputError(f"parameter {e} is not in the prior; it has {', '.join(self.names)}") from e

    def sample(self, n: int, rng: np.random.Generator) -> Floats:
        """Draw `n` parameter vectors (n, D)."""
        if self.law is not None:
            return np.clip(self.law.draw(rng.random((n, 1 + len(self.parameters)))), self.low, self.high)
        return self.from_unit(rng.random((n, len(self.parameters))))

    def log_prob(self, theta: Floats) -> Floats:
        """Return log p(theta) (...) for theta (..., D) in declared units; -inf outside the bounds."""
        if self.law is not None:
            columns = np.asarray(theta, dtype=np.float64).reshape(-1, len(self.names)).T
            return self.law.log_prob(dict(zip(self.names, columns, strict=True))).reshape(theta.shape[:-1])
        inside = ((theta >= self.low) & (theta <= self.high)).all(axis=-1)
        log_width = np.log(self._outer(self.high) - self._outer(self.low))
        with np.errstate(divide="ignore", invalid="ignore"):
            jacobian = np.where(self._is_log, -np.log(np.where(self._is_log, theta, 1.0)), 0.0)
        return np.where(inside, (jacobian - log_width).sum(axis=-1), -np.inf)

    def to_latent(self, theta: Floats) -> Floats:
        """Map theta (..., D) to z = Phi^-1(CDF(theta)) (..., D), a standard normal under the prior.

        Source: Walter et al. 2026, eq. 9.
        """
        return ndtri(np.clip(self.to_unit(theta), EDGE, 1 - EDGE))

    def from_latent(self, z: Floats) -> Floats:
        """Map latent z (..., D) back to theta (..., D): inside the bounds by construction."""
        return self.from_unit(ndtr(np.asarray(z, dtype=np.float64)))

    def to_unit(self, theta: Floats) -> Floats:
        """Map theta (..., D) to its prior CDF (..., D): uniform on the unit cube under the prior."""
        low, high = self._outer(self.low), self._outer(self.high)
        return (self._outer(np.asarray(theta, dtype=np.float64)) - low) / (high - low)

    def from_unit(self, unit: Floats) -> Floats:
        """Map the unit cube (..., D) back to theta (..., D)."""
        low, high = self._outer(self.low), self._outer(self.high)
        value = low + unit * (high - low)
        theta = np.where(self._is_log, np.exp(np.where(self._is_log, value, 0.0)), value)
        return np.clip(theta, self.low, self.high)

    def is_free(self, name: str) -> bool:
        """Return whether a parameter is uniform between its bounds and independent of all others."""
        own = self.parameters[self.names.index(name)]
        return self.law is None or self.law.is_free(name, own.low, own.high)

    def index(self, names: Sequence[str]) -> list[int]:
        """Return the columns of theta that hold the named parameters."""
        return [self.names.index(name) for name in names]

    @property
    def _is_log(self) -> NDArray[np.bool_]:
        return np.array([p.scale == "log" for p in self.parameters])

    def _outer(self, theta: Floats) -> Floats:
        """Declared units -> the scale on which the prior is uniform."""
        return np.where(self._is_log, np.log(np.where(self._is_log, theta, 1.0)), theta)
