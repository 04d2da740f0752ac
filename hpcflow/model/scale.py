"""How simulated fluxes become those of an object in the sky: a scale parameter, and what is given of the object."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from hpcflow.base.errors import InputError

__all__ = ["Given", "Scale"]

Array = Any  # numpy array or torch tensor


@dataclass(frozen=True)
class Given:
    """A quantity that is known of each object besides its photometry, and conditions its posterior.

    Args:
        name: name of the quantity.
        low, high: range in training, where it is uniform.
        unit: its unit.
        long_name: its meaning.
        reference: value at which simulators give fluxes.
        falls: observed fluxes fall as (reference / value) ** falls; 0 if they do not.
        simulated: whether it is a parameter of the simulator, such as the redshift of a galaxy.
        dex: whether errors are standard deviations of log10 of the value, instead of the value.
        edges: values between which objects are put into one stratum when a flow is judged; none if empty.
    """

    name: str
    low: float
    high: float
    unit: str = ""
    long_name: str = ""
    reference: float = 1.0
    falls: float = 0
    simulated: bool = False
    dex: bool = False
    edges: tuple[float, ...] = ()


@dataclass(frozen=True)
class Scale:
    """The factor from simulated fluxes to observed ones.

    It is 10 ** (exponent * parameter) times (reference / value) ** falls of everything that is given. For star
    clusters, simulated at 10 pc per solar mass, it is m (10 pc / d)^2.

    Args:
        parameter: the parameter whose simulation is a mere factor, such as log_mass; empty if there is none.
        given: what is given of each object.
        exponent: of 10 ** parameter.

    >>> import numpy as np
    >>> distance = Given("distance", 1, 30, "Mpc", reference=1e-5, falls=2)
    >>> Scale("log_mass", (distance,)).factor(5.0, np.array([1.0])).round(12).item()
    1e-05
    """

    parameter: str = ""
    given: tuple[Given, ...] = ()
    exponent: float = 1

    @property
    def drawn(self) -> list[int]:
        """The given quantities that are drawn when a simulation is observed; the others are simulated."""
        return [k for k, given in enumerate(self.given) if not given.simulated]

    @property
    def simulated(self) -> list[int]:
        """The given quantities that are parameters of the simulator."""
        return [k for k, given in enumerate(self.given) if given.simulated]

    def factor(self, value: Array, given: Array) -> Array:
        """Return the factor (...) for values (...) of the parameter and what is given (..., K), in its declared units.

        Without a parameter, the values are not used.
        """
        found = 10.0 ** (self.exponent * value) if self.parameter else 1.0
        for k, quantity in enumerate(self.given):
            if quantity.falls:
                found = found * (quantity.reference / given[..., k]) ** quantity.falls
        return found

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Scale":
        """Return the scale that the output of `dataclasses.asdict` describes."""
        given = tuple(Given(**{**quantity, "edges": tuple(quantity["edges"])}) for quantity in plain["given"])
        return cls(**{**plain, "given": given})

    def shift(self, given: Array, best: Array) -> Array:
        """Return by how much (...) the parameter grows for equal fluxes if `best` (..., K) becomes `given` (..., K)."""
        xp = array_namespace(given)
        found = 0.0
        for k, quantity in enumerate(self.given):
            if quantity.falls:
                found = found + quantity.falls / self.exponent * xp.log10(given[..., k] / best[..., k])
        return found

    def stacked(self, rows: Mapping[str, Array], suffix: str = "", otherwise: Array | None = None) -> Array:
        """Return what is given (N, K) of N objects from columns (N,) of those names, or of its names with a suffix."""
        columns = [rows.get(quantity.name + suffix, otherwise) for quantity in self.given]
        return np.stack(columns, axis=1) if columns else np.empty((len(rows["flux"]), 0))

    def over(self, ranges: Mapping[str, tuple[float, float]]) -> "Scale":
        """Return the scale with other ranges in training of some of what is given.

        Raises:
            InputError: if a name is not given.
        """
        if unknown := set(ranges) - {quantity.name for quantity in self.given}:
            raise InputError(f"{', '.join(sorted(unknown))} is not given; {self._names()}")
        return replace(
            self,
            given=tuple(
                replace(quantity, low=ranges[quantity.name][0], high=ranges[quantity.name][1])
                if quantity.name in ranges
                else quantity
                for quantity in self.given
            ),
        )

    def _names(self) -> str:
        return f"only {', '.join(quantity.name for quantity in self.given)} are" if self.given else "nothing is"
