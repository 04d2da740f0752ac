"""What a kind of source declares: parameters, what is given besides photometry, the scale of fluxes, simulators."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hpcflow.model.prior import Parameter
from hpcflow.model.scale import Scale
from hpcflow.model.simulator import Derived, Simulator

__all__ = ["Declared", "Engine", "Source"]

ANYTHING = (-1e30, 1e30)


@dataclass(frozen=True)
class Declared:
    """A parameter that sources of a kind have, with the defaults of a config.

    Args:
        name: name in configs, archives and tables.
        low, high: bounds of the prior where a config gives none.
        unit: its unit.
        scale: what it is uniform in, see `model.prior.Parameter`.
        long_name: its meaning.
        label, short: its name in figures, with its unit and without, where TeX may be used.
        symbol: its name in plain text; `name` if empty.
        sensible: values beyond these make no sense, or overflow.
        fixed: value where it is not free; None if it must be free.
        optional: whether configs that do not name it are without it, so that its fixed value is not written into them.
        close: values no farther apart count as the same; None if none do.
        edges: values between which sources are put into one stratum when a flow is judged; none if empty.
    """

    name: str
    low: float
    high: float
    unit: str = ""
    scale: Literal["linear", "log"] = "linear"
    long_name: str = ""
    label: str = ""
    short: str = ""
    symbol: str = ""
    sensible: tuple[float, float] = ANYTHING
    fixed: float | None = None
    optional: bool = False
    close: float | None = None
    edges: tuple[float, ...] = ()

    def parameter(self) -> Parameter:
        """Return the parameter with the default prior."""
        return Parameter(self.name, self.low, self.high, self.unit, self.scale)


@dataclass(frozen=True)
class Engine:
    """A simulator by its name in configs.

    Args:
        build: returns the simulator for `bands`, `parameters`, `fixed` and settings of its own, all as keywords.
        fast: whether the millions of models that exact densities take are affordable.
        takes_scale: whether it takes the scale's parameter, because fluxes are not merely in proportion to it.
        nuisance: parameters that it adds to those of a config; they are simulated and cannot be inferred.
        choices: how many draws of nuisance parameters compete for each predicted object; None for as many as usual.
    """

    build: Callable[..., Simulator]
    fast: bool = True
    takes_scale: bool = False
    nuisance: tuple[Declared, ...] = ()
    choices: int | None = None


@dataclass(frozen=True)
class Source:
    """A kind of source: everything that the machine needs to know of what it looks at.

    Args:
        name: name in configs.
        plural: what its objects are called.
        parameters: parameters that a config may free or fix.
        scale: what is given of each object, and how the simulators' fluxes become observed ones.
        leading: the parameter by which archives sort samples, and in which multimodal posteriors are told from others.
        simulators: simulators by name, the default first.
        in_galaxies: whether objects belong to galaxies, whose distances are known.
        absolute_mag: AB magnitudes between which the median of any catalogue lies; None if not to be checked.
        priors: how parameters may hang together, by name, as a config says it.
        planes: pairs of parameters in which populations are drawn, by the name of the figure.
        examples: values of the leading parameter near which examples are chosen for figures, by name.
        derive: returns the quantities that follow from the parameters, or None; takes the simulator's name,
            `parameters`, `fixed` and the simulator's settings.
    """

    name: str
    plural: str
    parameters: tuple[Declared, ...]
    scale: Scale
    leading: str
    simulators: Mapping[str, Engine]
    in_galaxies: bool = False
    absolute_mag: tuple[float, float] | None = None
    priors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    planes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    examples: Mapping[str, float] = field(default_factory=dict)
    derive: Callable[..., Derived | None] = field(default=lambda *_, **__: None)

    @property
    def by_name(self) -> dict[str, Declared]:
        """The parameters by name."""
        return {parameter.name: parameter for parameter in self.parameters}

    @property
    def required(self) -> list[str]:
        """Names of the parameters that a config has to free."""
        return [parameter.name for parameter in self.parameters if parameter.fixed is None]

    @property
    def fixed(self) -> dict[str, float]:
        """Values of the parameters that a config has, and does not have to free."""
        return {p.name: p.fixed for p in self.parameters if p.fixed is not None and not p.optional}
