"""Plain values against the section that they should be, and what is wrong with them in one sentence."""

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
    """Return plain values as the section that they are.

    Raises:
        InputError: naming the first key that is wrong, and what it may be.
    """
    try:
        return section.model_validate(raw)
    except ValidationError as e:
        raise InputError(sentence(section, e)) from e


def sentence(section: type[Section], error: ValidationError) -> str:
    """Say which key of a section is wrong first, and what it may be."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "the config"
    match first["type"]:
        case "extra_forbidden":
            return f"{where} is not a known key; known here: {_keys(section, first['loc'][:-1])}"
        case "model_type":
            return f"{where} must be a mapping of keys; known here: {_keys(section, first['loc'])}"
        case "missing":
            return f"{where} is missing; add it"
        case "value_error":  # our own sentence
            return f"{where}: {first['ctx']['error']}"
    return f"{where}: {first['msg'][:1].lower()}{first['msg'][1:]} (given: {first['input']!r:.80})"


def _keys(section: type[Section], location: Sequence[int | str]) -> str:
    """List the keys of what is at a location."""
    kind: Any = section
    for part in location:
        kind = _inside(kind, part)
    return ", ".join(_declared(kind))


def _inside(kind: Any, part: int | str) -> Any:
    """Return what is declared at one part of a location: a section, or a list or mapping of sections."""
    if part in FAMILIES:  # pydantic names the branch of a union, which is no key of the file
        return FAMILIES[str(part)]
    kind = _declared(kind)[str(part)] if hasattr(kind, "model_fields") else get_args(kind)[-1]
    if get_origin(kind) in (Union, UnionType):
        return next(one for one in get_args(kind) if hasattr(one, "model_fields"))
    return kind


def _declared(section: type[Section]) -> dict[str, Any]:
    """Return what each key of a section is declared to be."""
    return {field.alias or name: field.annotation for name, field in section.model_fields.items()}
