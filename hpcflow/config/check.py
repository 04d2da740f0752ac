"""Check plain values against a section of the config, and say in one sentence what is wrong with them."""

from collections.abc import Sequence
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError

from hpcflow.base.errors import InputError
from hpcflow.config.flows import FAMILIES
from hpcflow.config.section import Section

__all__ = ["checked", "sentence"]

S = TypeVar("S", bound=Section)


def checked(section: type[S], raw: Any) -> S:
    """Return plain values as a section of the config.

    Raises:
        InputError: naming the first wrong key and the values that it accepts.
    """
    try:
        return section.model_validate(raw)
    except ValidationError as e:
        raise InputError(sentence(section, e)) from e


def sentence(section: type[Section], error: ValidationError) -> str:
    """Return the error message of the first wrong key of a section."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "the config"
    match first["type"]:
        case "extra_forbidden":
            return f"{where} is not a known key; known here: {_keys(section, first['loc'][:-1])}"
        case "model_type":
            return f"{where} must be a mapping of keys; known here: {_keys(section, first['loc'])}"
        case "missing":
            return f"{where} is missing; add it"
        case "value_error":  # raised by a validator of ours
            return f"{where}: {first['ctx']['error']}"
    return f"{where}: {first['msg'][:1].lower()}{first['msg'][1:]:.300} (given: {_shown(first['input'])})"


def _shown(value: Any) -> str:
    """Return the beginning of a value in words."""
    try:
        return f"{value!r:.80}"
    except ValueError:  # Python writes no number of thousands of digits
        return "a number of thousands of digits"


def _keys(section: type[Section], location: Sequence[int | str]) -> str:
    """List the keys of the section at a location."""
    kind: Any = section
    for part in location:
        kind = _inside(kind, part)
    return ", ".join(_declared(kind))


def _inside(kind: Any, part: int | str) -> Any:
    """Return the type declared at one part of a location: a section, or a list or mapping of sections."""
    if part in FAMILIES:  # pydantic's location names the branch of a union, which is not a key of the file
        return FAMILIES[str(part)]
    kind = _declared(kind)[str(part)] if hasattr(kind, "model_fields") else get_args(kind)[-1]
    if get_origin(kind) in (Union, UnionType):
        return next(one for one in get_args(kind) if hasattr(one, "model_fields"))
    return kind


def _declared(section: type[Section]) -> dict[str, Any]:
    """Return the declared type of each key of a section."""
    return {field.alias or name: field.annotation for name, field in section.model_fields.items()}
