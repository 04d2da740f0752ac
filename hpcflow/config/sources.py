"""What a config must have, and what it may leave out, according to the kind of source that it is about."""

from collections.abc import Mapping
from typing import Any

from hpcflow.config.joint_prior import named
from hpcflow.config.sections import Model, Observe
from hpcflow.model.scale import Given, Scale
from hpcflow.sources import SOURCES
from hpcflow.sources.own.own import OWN, own_source
from hpcflow.sources.source import ANYTHING, Source

__all__ = ["check_source", "source_for", "with_defaults"]


def with_defaults(raw: Any) -> Any:
    """Return plain values with the bounds and fixed values that their kind of source declares where they have none."""
    if not isinstance(raw, Mapping) or not isinstance(raw.get("model"), Mapping):
        return raw
    source, model = SOURCES.get(str(raw.get("source", "cluster"))), raw["model"]
    if isinstance(model.get("prior"), str):
        model = {**model, "prior": named(model["prior"], source.priors if source else {})}
        raw = {**raw, "model": model}
    if source is None or not isinstance(model.get("parameters"), Mapping):
        return raw
    parameters = {name: _filled(source, name, bounds) for name, bounds in model["parameters"].items()}
    fixed = {name: value for name, value in source.fixed.items() if name not in parameters}
    complete = {"simulator": next(iter(source.simulators)), **model}
    engine = source.simulators.get(str(complete["simulator"]))
    for own in engine.nuisance if engine else ():
        parameters.setdefault(own.name, {"low": own.low, "high": own.high, "nuisance": True})
    return {**raw, "model": {"fixed": fixed, **complete, "parameters": parameters}}


def _filled(source: Source, name: str, bounds: Any) -> Any:
    if name not in source.by_name or not isinstance(bounds, Mapping | None) or {"low", "high"} & set(bounds or ()):
        return bounds
    declared = source.by_name[name]
    return {"low": declared.low, "high": declared.high, "scale": declared.scale, **(bounds or {})}


def source_for(name: str, model: Model) -> Source:
    """Return a kind of source by name; of one's own, as the config describes it.

    Raises:
        ValueError: if there is no such kind, or the description is not consistent.
    """
    if name != OWN:
        if name not in SOURCES:
            raise ValueError(f"source {name} is unknown; choose one of {', '.join([*SOURCES, OWN])}")
        if model.given or model.scale:
            raise ValueError(f"model.given and model.scale are those of source: own, not of {name}; remove them")
        return SOURCES[name]
    if ":" not in model.simulator:
        raise ValueError(f"model.simulator {model.simulator} must be FILE.py:CLASS, or package.module:CLASS")
    if model.scale and model.scale not in model.parameters:
        raise ValueError(f"model.scale {model.scale} is not among model.parameters; add it there, or remove it")
    if both := set(model.given) & set(model.parameters):
        raise ValueError(f"{', '.join(sorted(both))} is in both model.parameters and model.given; keep it in one")
    given = tuple(Given(quantity, **known.model_dump()) for quantity, known in model.given.items())
    inferred = tuple(name for name, bounds in model.parameters.items() if not bounds.nuisance)
    return own_source(model.simulator, inferred, Scale(model.scale, given))


def check_source(name: str, model: Model, observe: Observe) -> None:
    """Raise if a model is not one of its kind of source.

    Raises:
        ValueError: naming what is wrong, and what to do.
    """
    source = source_for(name, model)
    if model.simulator not in source.simulators:
        raise ValueError(f"model.simulator {model.simulator} is unknown; choose one of {', '.join(source.simulators)}")
    if missing := [parameter for parameter in source.required if parameter not in model.parameters]:
        raise ValueError(f"model.parameters lacks {', '.join(sorted(missing))}; give each a low and a high")
    for own in source.simulators[model.simulator].nuisance:
        bounds = model.parameters.get(own.name)
        if bounds is None or not bounds.nuisance or (bounds.low, bounds.high) != (own.low, own.high):
            raise ValueError(f"model.parameters.{own.name} belongs to simulator {model.simulator}; remove it")
    values = [(p, value) for p, bounds in model.parameters.items() for value in (bounds.low, bounds.high)]
    for parameter, value in [*values, *model.fixed.items()]:
        low, high = source.by_name[parameter].sensible if parameter in source.by_name else ANYTHING
        if not low <= value <= high:
            raise ValueError(f"model: {parameter} cannot be {value:g}; give a value from {low:g} to {high:g}")
    inferred = [parameter for parameter, bounds in model.parameters.items() if not bounds.nuisance]
    for parameter in (source.scale.parameter, source.leading):
        if parameter and parameter not in inferred:
            raise ValueError(f"model.parameters.{parameter} cannot be a nuisance; infer it")
    named = [q.name for q in source.scale.given if not (source.in_galaxies and q.name == "distance")]
    if unknown := [quantity for quantity in observe.given if quantity not in named]:
        raise ValueError(
            f"observe.given names {', '.join(unknown)}, which is not given of {source.plural}"
            + (f"; known here: {', '.join(named)}" if named else "")
        )
