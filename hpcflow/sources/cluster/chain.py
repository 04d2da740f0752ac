"""A chain of CIGALE modules as plain values: which number goes to which module, in which order rows are done.

Nothing here knows pcigale; it takes what pcigale says of its modules as text.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import InputError

__all__ = ["Chain", "Route", "limits"]

Floats = NDArray[np.floating]

# What pcigale lets through, and then crashes on or turns into nonsense; in the modules' own units.
SAFE = {"log_age": (1.0, 13_750.0), "ebv": (0.0, np.inf), "r_v": (1e-6, np.inf)}
NUMBER = r"([-+]?[\d.]+(?:[eE][-+]?\d+)?)"


@dataclass(frozen=True)
class Route:
    """How one of our parameters becomes one of a module's.

    Args:
        parameter: its name here; `log_x` is given as 10^log_x, and `log_age` [dex(yr)] as an age in Myr.
        module: position of the module in the chain.
        key: name of the parameter there.
        integer: whether the module takes whole numbers; the nearest is given.
        low: lowest value that is allowed there.
        high: highest.
        options: the only values allowed, where there are some.
    """

    parameter: str
    module: int
    key: str
    integer: bool = False
    low: float = -np.inf
    high: float = np.inf
    options: tuple[float, ...] = ()

    def value(self, column: Floats) -> Floats:
        """Return the module's values (N,) for ours (N,).

        >>> Route("log_age", 0, "age", integer=True).value(np.array([6.0, 6.2, 7.0])).tolist()
        [1.0, 2.0, 10.0]
        """
        with np.errstate(over="ignore", invalid="ignore"):
            if self.parameter == "log_age":
                column = 10.0 ** (column - 6)
            elif self.parameter.startswith("log_"):
                column = 10.0**column
            return np.rint(column) if self.integer else column

    def allowed(self, value: Floats) -> NDArray[np.bool_]:
        """Return which of the module's values (N,) may be given to it."""
        with np.errstate(invalid="ignore"):
            good = np.isfinite(value) & (value >= self.low) & (value <= self.high)
            return good & np.isin(value, self.options) if self.options else good


def limits(text: str) -> dict[str, Any]:
    """Return what pcigale's description of a parameter's type says of its values.

    >>> limits("cigale_list(dtype=int, minvalue=0.)")
    {'integer': True, 'low': 0.0}
    >>> limits("cigale_list(options=0.004 & 0.02)")
    {'options': (0.004, 0.02)}
    """
    found: dict[str, Any] = {"integer": True} if "dtype=int" in text else {}
    for name, words in (("low", r"min(?:value)?"), ("high", r"max(?:value)?")):
        if match := re.search(rf"\b{words}\s*=\s*{NUMBER}", text):
            found[name] = float(match[1])
    if match := re.search(rf"options\s*=\s*({NUMBER}(?:\s*&\s*{NUMBER})*)", text):
        found["options"] = tuple(float(number) for number in re.findall(NUMBER, match[1]))
    return found


class Chain:
    """Modules in order, the values that stay, and routes for those that change.

    Args:
        modules: names of the modules, first to last.
        types: of every module, its parameters' names and pcigale's description of their types.
        fixed: of some modules, values of parameters that stay; pcigale's defaults hold for the others.
        routes: where our parameters go, as "module.parameter".
        parameters: names of theta's columns.
        values: of our parameters that are no columns.

    Raises:
        InputError: if a module, a parameter or a value is none of CIGALE's.
    """

    def __init__(
        self,
        modules: Sequence[str],
        types: Mapping[str, Mapping[str, str]],
        fixed: Mapping[str, Mapping[str, Any]],
        routes: Mapping[str, str],
        parameters: Sequence[str],
        values: Mapping[str, float],
    ) -> None:
        self.modules = tuple(modules)
        if unknown := set(fixed) - set(modules):
            raise InputError(f"model.cigale.fixed names {', '.join(sorted(unknown))}, which model.cigale.modules lacks")
        for module, given in fixed.items():
            for key in given:
                self._known(f"model.cigale.fixed.{module}", module, key, types)
        needed = [*parameters, *(name for name in values if name not in parameters)]
        if lost := [name for name in needed if name not in routes]:
            raise InputError(
                f"model.cigale.parameters does not say where {', '.join(lost)} goes; give each as module.parameter"
            )
        everything = {name: self._route(name, routes[name], types) for name in needed}
        self.routes = tuple(everything[name] for name in parameters)
        self._fixed = [dict(fixed.get(module, {})) for module in modules]
        for name in needed[len(parameters) :]:
            route = everything[name]
            value = route.value(np.array([values[name]], dtype=np.float64))
            if not route.allowed(value)[0]:
                allowed = ", ".join(f"{x:g}" for x in route.options) or f"{route.low:g} to {route.high:g}"
                raise InputError(f"{name} = {values[name]:g}: {routes[name]} of CIGALE allows {allowed}")
            self._fixed[route.module][route.key] = self._plain(route, value[0])
        # Rows that agree in the first modules of the chain, the dear ones, come one after the other.
        self._outermost = sorted(range(len(self.routes)), key=lambda i: self.routes[i].module)

    @property
    def unbounded(self) -> list[str]:
        """Names of modules that get ever new values, so that keeping one instance of each would fill the memory."""
        return [
            name for i, name in enumerate(self.modules) if any(r.module == i and not r.options for r in self.routes)
        ]

    def values(self, theta: Floats) -> Floats:
        """Return the modules' values (N, D) for rows of theta (N, D)."""
        columns = [route.value(theta[:, i]) for i, route in enumerate(self.routes)]
        return np.stack(columns, axis=1) if columns else np.empty((len(theta), 0))

    def order(self, values: Floats) -> NDArray[np.intp]:
        """Return the order (N,) in which the rows of `values` (N, D) are cheapest."""
        if not self.routes:
            return np.arange(len(values))
        return np.lexsort([values[:, i] for i in reversed(self._outermost)])

    def shared(self, one: Floats, other: Floats) -> int:
        """Return how many modules at the head of the chain are the same for two rows (D,) of values."""
        changed = [self.routes[i].module for i in np.flatnonzero(one != other)]
        return min(changed, default=len(self.modules))

    def settings(self, row: Floats | None = None) -> list[dict[str, Any]]:
        """Return every module's parameters for one row (D,) of values, or without those that change.

        The keys are always in the same order: pcigale's caches look at values alone.
        """
        given = [dict(fixed) for fixed in self._fixed]
        if row is not None:
            for route, value in zip(self.routes, row, strict=True):
                given[route.module][route.key] = self._plain(route, value)
        return given

    def _route(self, name: str, to: str, types: Mapping[str, Mapping[str, str]]) -> Route:
        module, _, key = to.rpartition(".")
        where = f"model.cigale.parameters.{name}"
        if module not in self.modules:
            raise InputError(f"{where} = {to}: expected module.parameter with a module of {', '.join(self.modules)}")
        self._known(where, module, key, types)
        found = limits(types[module][key])
        low, high = SAFE.get(name, (-np.inf, np.inf))
        found["low"], found["high"] = max(low, found.get("low", low)), min(high, found.get("high", high))
        return Route(name, self.modules.index(module), key, **found)

    @staticmethod
    def _known(where: str, module: str, key: str, types: Mapping[str, Mapping[str, str]]) -> None:
        if key not in types[module]:
            raise InputError(f"{where}: CIGALE's {module} has no parameter {key}; it has {', '.join(types[module])}")

    @staticmethod
    def _plain(route: Route, value: float) -> float | int:
        return int(value) if route.integer else float(value)
