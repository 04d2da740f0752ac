"""Joint priors: mixtures of components, in each of which parameters follow simple laws, given earlier parameters."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from hpcflow.base.errors import InputError

__all__ = ["Component", "Edge", "Factor", "Law"]

Floats = NDArray[np.floating]

LN10 = math.log(10)
FLAT = 1e-9  # a density that changes by less than this from one edge to the other is uniform


@dataclass(frozen=True)
class Edge:
    """An edge of a parameter's range: a value, or one that is linear in an earlier parameter between points.

    Args:
        values: one value, or those at the points.
        given: name of the earlier parameter; empty if there is none.
        points: values of that parameter, ascending; beyond them the edge stays as it is at the nearest one.
    """

    values: tuple[float, ...]
    given: str = ""
    points: tuple[float, ...] = ()

    def at(self, known: dict[str, Floats], n: int) -> Floats:
        """Return the edge (n,) for known earlier parameters (n,) each."""
        if not self.given:
            return np.full(n, self.values[0])
        return np.interp(known[self.given], self.points, self.values)


@dataclass(frozen=True)
class Factor:
    """The density of one parameter, in proportion to 10^(slope x) between two edges.

    x is the parameter, or its log10 where `scale` is "log". Slope 0 is uniform. With log_mass, slope -1 is the mass
    function dN/dM ~ M^-2; with log_age, slope 1 is a constant rate of formation.
    """

    name: str
    low: Edge
    high: Edge
    slope: float = 0.0
    scale: Literal["linear", "log"] = "linear"

    def log_prob(self, known: dict[str, Floats]) -> Floats:
        """Return the log-density (n,) per declared unit at values `known[name]` (n,); -inf beyond the edges."""
        value = known[self.name]
        low, high = self._range(known, len(value))
        with np.errstate(divide="ignore", invalid="ignore"):
            x = self._outer(value)
            log_p = self._rate * (x - low) - _log_norm(self._rate, high - low)
            log_p = log_p - x if self.scale == "log" else log_p
        return np.where((x >= low) & (x <= high), log_p, -np.inf)

    def draw(self, uniform: Floats, known: dict[str, Floats]) -> Floats:
        """Turn uniform numbers (n,) into values (n,), given earlier parameters."""
        low, high = self._range(known, len(uniform))
        span = self._rate * (high - low)
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            # Drawn from the edge where it is highest: the other one may be too low for a number.
            left = np.where(span > 0, 1 - uniform, uniform)
            from_top = np.log1p(left * np.expm1(-np.abs(span))) / -abs(self._rate or 1)
            place = np.where(span > 0, high - low - from_top, from_top)
        x = low + np.where(np.abs(span) < FLAT, uniform * (high - low), place)
        return np.exp(x) if self.scale == "log" else x

    def edges(self, known: dict[str, Floats], n: int) -> tuple[Floats, Floats]:
        """Return both edges (n,) in declared units."""
        return self.low.at(known, n), self.high.at(known, n)

    @property
    def _rate(self) -> float:
        return self.slope if self.scale == "log" else self.slope * LN10

    def _range(self, known: dict[str, Floats], n: int) -> tuple[Floats, Floats]:
        low, high = self.edges(known, n)
        return self._outer(low), self._outer(high)

    def _outer(self, value: Floats) -> Floats:
        return np.log(value) if self.scale == "log" else value


@dataclass(frozen=True)
class Component:
    """One kind of objects: its share, and the density of every parameter."""

    name: str
    weight: float
    factors: tuple[Factor, ...]


@dataclass(frozen=True)
class Law:
    """A mixture of components over the same parameters; its density is exact and integrates to one.

    >>> young = Component("young", 3, (Factor("log_age", Edge((6.0,)), Edge((8.0,))),))
    >>> old = Component("old", 1, (Factor("log_age", Edge((9.0,)), Edge((10.0,))),))
    >>> Law((young, old)).log_prob({"log_age": np.array([7.0, 8.5, 9.5])}).round(3)
    array([-0.981,   -inf, -1.386])

    Raises:
        InputError: if shares or edges make no density, or a parameter hangs on one that is not before it.
    """

    components: tuple[Component, ...]

    def __post_init__(self) -> None:
        if not self.components:
            raise InputError("the prior has no component; add one")
        for component in self.components:
            if not (component.weight > 0 and math.isfinite(component.weight)):
                raise InputError(f"the weight of {component.name} is {component.weight:g}; make it positive")
            for place, factor in enumerate(component.factors):
                _refuse_factor(component, factor, [f.name for f in component.factors[:place]])

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters' names."""
        return tuple(factor.name for factor in self.components[0].factors)

    def is_free(self, name: str, low: float, high: float) -> bool:
        """Return whether a parameter is uniform from low to high, whatever the others are, and none hangs on it."""
        factors = [factor for component in self.components for factor in component.factors]
        own = {(factor.low, factor.high, factor.slope) for factor in factors if factor.name == name}
        others = {edge.given for factor in factors for edge in (factor.low, factor.high)}
        return own == {(Edge((low,)), Edge((high,)), 0.0)} and name not in others

    def log_prob(self, known: dict[str, Floats]) -> Floats:
        """Return the log-density (n,) at points whose parameters are (n,) each."""
        return np.asarray(logsumexp(self.log_shares(known), axis=0))

    def log_shares(self, known: dict[str, Floats]) -> Floats:
        """Return the log-density (K, n) that each component contributes."""
        total = sum(component.weight for component in self.components)
        return np.stack(
            [
                math.log(component.weight / total) + sum(factor.log_prob(known) for factor in component.factors)
                for component in self.components
            ]
        )

    def draw(self, uniform: Floats) -> Floats:
        """Map the unit cube (n, 1 + D) to points (n, D): its first side chooses the component."""
        edges = np.cumsum([component.weight for component in self.components])
        chosen = np.searchsorted(edges[:-1] / edges[-1], uniform[:, 0], side="right")
        theta = np.empty((len(uniform), len(self.names)))
        for k, component in enumerate(self.components):
            rows, known = np.flatnonzero(chosen == k), dict[str, Floats]()
            for column, factor in enumerate(component.factors):
                known[factor.name] = factor.draw(uniform[rows, 1 + column], known)
                theta[rows, column] = known[factor.name]
        return theta

    def select(self, names: Sequence[str]) -> "Law":
        """Return the law of some parameters, whatever the others are.

        Raises:
            InputError: if one of them hangs on a parameter that is left out.
        """
        found = []
        for component in self.components:
            by_name = {factor.name: factor for factor in component.factors}
            factors = tuple(by_name[name] for name in names)
            needed = {edge.given for factor in factors for edge in (factor.low, factor.high)} - {"", *names}
            if needed:
                raise InputError(f"the prior of {', '.join(names)} hangs on {', '.join(needed)}; infer it, too")
            found.append(Component(component.name, component.weight, factors))
        return Law(tuple(found))


def _refuse_factor(component: Component, factor: Factor, before: Sequence[str]) -> None:
    """Raise if a factor is no density, or hangs on a parameter that is not among the earlier ones."""
    where = f"the prior of {factor.name} in {component.name}"
    given = [edge.given for edge in (factor.low, factor.high) if edge.given]
    if late := [name for name in given if name not in before]:
        raise InputError(f"{where} hangs on {late[0]}, which is not before it; put {late[0]} first in model.parameters")
    for edge in (factor.low, factor.high):
        if edge.given and not (len(edge.points) > 1 and (np.diff(edge.points) > 0).all()):
            raise InputError(f"{where} needs at least two points of {edge.given}, each above the one before")
    # Both edges are linear between all points of either, so that they need to be compared there alone.
    points = [point for edge in (factor.low, factor.high) if edge.given for point in edge.points]
    everywhere = np.unique(points or [0.0])
    if len(set(given)) > 1:
        raise InputError(f"{where} hangs on {' and '.join(given)}; let both edges hang on one of them")
    low, high = factor.edges({name: everywhere for name in given}, len(everywhere))
    if (narrow := ~(low < high)).any():
        k = int(np.argmax(narrow))
        place = f" where {given[0]} is {everywhere[k]:g}" if given else ""
        raise InputError(f"{where} has no width{place}: low {low[k]:g} must be below high {high[k]:g}")
    if factor.scale == "log" and (low <= 0).any():
        raise InputError(f"{where} is uniform in its logarithm and needs a positive low, not {low.min():g}")


def _log_norm(rate: float, width: Floats) -> Floats:
    """Return log of the integral (n,) of exp(rate x) from 0 to widths (n,)."""
    span = rate * width
    if not rate:
        return np.log(width)
    with np.errstate(divide="ignore"):
        sharp = np.log(-np.expm1(-np.abs(span)) / abs(rate)) + np.maximum(span, 0)
    return np.where(np.abs(span) < FLAT, np.log(width), sharp)
