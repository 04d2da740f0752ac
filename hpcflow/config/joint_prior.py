"""The section `model.prior`: how parameters hang together, by the name of a shipped prior or component by component."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from hpcflow.base.errors import InputError
from hpcflow.config.section import Section
from hpcflow.model.law import Component, Edge, Factor, Law
from hpcflow.model.prior import Parameter

__all__ = ["BOX", "Chosen", "Kind", "Share", "law_of", "named"]

BOX = "box"


def _edge_given(value: Any) -> Any:
    """Return what a config gives as an edge, if it is one."""
    (points,) = value.values() if isinstance(value, Mapping) and len(value) == 1 else (None,)
    pairs = isinstance(points, Sequence) and not isinstance(points, str)
    if value is None or isinstance(value, float | int) or pairs:
        return value
    raise ValueError("an edge is a number, or {PARAMETER: [[value, edge], [value, edge], ...]}")


At = Annotated[float | dict[str, list[tuple[float, float]]] | None, BeforeValidator(_edge_given)]


class Share(Section):
    """The density of one parameter in one component: in proportion to 10^(slope x) between two edges.

    x is the parameter, or its log10 if its scale is log. An edge that is not given is that of `model.parameters`; one
    that depends on an earlier parameter is `{PARAMETER: [[value, edge], ...]}`, linear between those values.
    """

    low: At = None
    high: At = None
    slope: Annotated[float, Field(ge=-100, le=100)] = 0.0


class Kind(Section):
    """One component of a prior: its share of all objects, and what is special about its parameters."""

    weight: Annotated[float, Field(gt=0)]
    parameters: dict[str, Share] = {}


class Chosen(Section):
    """A prior outside a config, component by component."""

    prior: dict[str, Kind]


def named(prior: str, shipped: Mapping[str, Any]) -> Any:
    """Return the components of a prior that ships, as a config gives them.

    Args:
        prior: its name; `box` has none.
        shipped: priors of the kind of source, by name.

    Raises:
        ValueError: if there is no prior of that name.
    """
    if prior not in (BOX, *shipped):
        choices = ", ".join([BOX, *shipped])
        raise ValueError(f"model.prior: {prior} is unknown; choose one of {choices}, or give its components")
    return shipped.get(prior, {})


def law_of(prior: Mapping[str, Kind], parameters: Sequence[Parameter]) -> Law | None:
    """Return how parameters hang together; None if they are independent and uniform.

    Args:
        prior: components by name.
        parameters: all parameters, with the bounds inside which the prior is.

    Raises:
        InputError: if the prior names another parameter, or is no density.
    """
    if not prior:
        return None
    names = [parameter.name for parameter in parameters]
    if unknown := {name for kind in prior.values() for name in kind.parameters} - set(names):
        raise InputError(
            f"model.prior says something of {', '.join(sorted(unknown))}, which is not among model.parameters; "
            "add it there, or remove it from the prior"
        )
    return Law(
        tuple(
            Component(name, kind.weight, tuple(_factor(p, kind.parameters.get(p.name, Share())) for p in parameters))
            for name, kind in prior.items()
        )
    )


def _factor(parameter: Parameter, share: Share) -> Factor:
    low, high = (
        _edge(parameter, edge, own) for edge, own in ((share.low, parameter.low), (share.high, parameter.high))
    )
    return Factor(parameter.name, low, high, share.slope, parameter.scale)


def _edge(parameter: Parameter, edge: float | Mapping[str, Sequence[tuple[float, float]]] | None, own: float) -> Edge:
    """Return an edge inside the parameter's bounds."""
    if edge is None:
        return Edge((own,))
    if not isinstance(edge, Mapping):
        return Edge((min(max(edge, parameter.low), parameter.high),))
    (given, points), *_ = edge.items()
    values = tuple(min(max(value, parameter.low), parameter.high) for _, value in points)
    return Edge(values, given, tuple(point for point, _ in points))
