"""The config of a run, read from YAML into typed, frozen values; unknown keys are refused."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from hpcflow.base.errors import InputError
from hpcflow.config.check import checked, sentence
from hpcflow.config.flows import Axis
from hpcflow.config.joint_prior import law_of
from hpcflow.config.section import Section
from hpcflow.config.sections import (
    Infer,
    Mock,
    Model,
    Observe,
    Search,
    Simulate,
    Train,
    Validate,
)
from hpcflow.config.sources import check_source, with_defaults
from hpcflow.model.prior import Parameter, Prior

__all__ = [
    "Axis",
    "Config",
    "difference",
    "dump_yaml",
    "load_config",
    "load_yaml",
    "override",
    "parse_config",
    "with_values",
]


class Config(Section):
    """Everything that one run computes."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    source: str = "cluster"  # kind of source
    model: Model
    observe: Observe = Observe()
    simulate: Simulate = Simulate()
    train: Train = Train()
    search: Search = Search()
    infer: Infer = Infer()
    validation: Annotated[Validate, Field(alias="validate")] = Validate()
    mock: Mock = Mock()

    @model_validator(mode="before")
    @classmethod
    def _defaults_follow_the_source(cls, raw: Any) -> Any:
        """Default to the priors and fixed values that the kind of source declares."""
        return with_defaults(raw)

    @model_validator(mode="before")
    @classmethod
    def _features_follow_the_noise(cls, raw: Any) -> Any:
        """Default to absolute features with log-normal noise, whose fluxes all have a logarithm."""
        sections = [raw.get(name, {}) for name in ("observe", "train")] if isinstance(raw, Mapping) else [raw]
        if not all(isinstance(section, Mapping) for section in sections) or sections[0].get("noise") != "lognormal":
            return raw
        return {**raw, "train": {"features": "absolute", **sections[1]}}

    @model_validator(mode="after")
    def _features_suit_the_noise(self) -> "Config":
        if self.observe.noise == "normal" and self.train.features != "asinh":
            raise ValueError(
                f"train.features: {self.train.features} takes the logarithm of fluxes, but observe.noise: normal "
                "makes some of them negative; set train.features to asinh"
            )
        return self

    @model_validator(mode="after")
    def _suits_the_source(self) -> "Config":
        check_source(self.source, self.model, self.observe)
        return self

    @model_validator(mode="after")
    def _prior_is_a_density(self) -> "Config":
        own = tuple(Parameter(name, b.low, b.high, b.unit, b.scale) for name, b in self.model.parameters.items())
        try:
            prior = Prior(own, law_of(self.model.prior, own))
        except InputError as e:
            raise ValueError(str(e)) from e
        if tied := [name for name, b in self.model.parameters.items() if b.nuisance and not prior.is_free(name)]:
            raise ValueError(f"model.prior ties {', '.join(tied)}, which cannot be a nuisance then; infer it")
        return self

    @model_validator(mode="after")
    def _names_are_known(self) -> "Config":
        order = getattr(self.train.flow, "order", [])
        inferred = [name for name, bounds in self.model.parameters.items() if not bounds.nuisance]
        if order and sorted(order) != sorted(inferred):
            raise ValueError(f"train.flow.order must name each of {', '.join(inferred)} once")
        unknown = {b for bands in self.observe.band_sets for b in bands} - set(self.model.bands)
        if unknown:
            raise ValueError(f"observe.band_sets names {', '.join(sorted(unknown))}, which model.bands lacks")
        return self

    @model_validator(mode="after")
    def _systematic_covers_every_band(self) -> "Config":
        given = self.observe.systematic
        if isinstance(given, dict) and set(given) != set(self.model.bands):
            raise ValueError(f"observe.systematic must be one number, or one for each of {', '.join(self.model.bands)}")
        return self

    @model_validator(mode="after")
    def _search_space_is_valid(self) -> "Config":
        known = _searchable(self.train)
        for key, axis in self.search.space.items():
            if key not in known:
                raise ValueError(f"search.space: {key} cannot be searched; known here: {', '.join(known)}")
            for value in axis.corners:
                try:
                    Config.model_validate(_placed({**self.plain(), "search": {}}, {key: value}))
                except ValidationError as e:
                    raise ValueError(f"search.space: {sentence(Config, e)}") from e
        return self

    def plain(self) -> dict[str, Any]:
        """Return the config as nested dictionaries of plain YAML types."""
        return self.model_dump(mode="json", by_alias=True)


def load_yaml(path: Path) -> Any:
    """Read a YAML 1.2 file safely, so that 1e-3 is a number and 12:00:00 is not.

    Raises:
        InputError: if the file is missing or is not YAML.
    """
    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise InputError(f"{path} cannot be read: {e.strerror}; `hpcflow init` makes a config to start from") from e
    except (YAMLError, ValueError, RecursionError) as e:  # also bytes that are not text, and dates that are none
        raise InputError(f"{path} is not YAML: {' '.join(str(e).split())}") from e


def dump_yaml(value: Any, compact: bool = False) -> str:
    """Return plain values as YAML text; if it is compact, the innermost mappings and lists take a line each."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None if compact else False
    if compact:
        yaml.width = 160
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # ruamel annotates it as None
    text = io.StringIO()
    yaml.dump(value, text)
    return text.getvalue()


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read a config and apply `section.key=value` overrides, whose values are YAML.

    Raises:
        InputError: naming the first wrong key and the values that it accepts.
    """
    raw = load_yaml(path)
    if not isinstance(raw, dict):
        raise InputError(f"{path} does not hold a mapping of sections; `hpcflow init` makes a config to start from")
    override(raw, overrides)
    _place_simulator(raw, path.parent)
    try:
        return parse_config(raw)
    except InputError as e:
        raise InputError(f"{path}: {e}") from e


def override(raw: dict[str, Any], overrides: Sequence[str]) -> None:
    """Set values in nested sections, each given as `section.key=value`, whose value is YAML.

    Raises:
        InputError: naming the first that cannot be set.
    """
    for one in overrides:
        _override(raw, one)


def _place_simulator(raw: dict[str, Any], folder: Path) -> None:
    """Give a simulator of one's own the whole path of its file, which lies beside the config."""
    model = raw.get("model")
    given = model.get("simulator") if isinstance(model, dict) else None
    if isinstance(model, dict) and isinstance(given, str) and ".py:" in given:
        file, _, name = given.rpartition(":")
        model["simulator"] = f"{(folder / file).resolve()}:{name}"


def with_values(config: Config, values: Mapping[str, Any]) -> Config:
    """Return the config with the values of dotted keys replaced, and check it again.

    Raises:
        InputError: naming the first wrong key and the values that it accepts.
    """
    return parse_config(_placed(config.plain(), values))


def parse_config(raw: Any) -> Config:
    """Return plain values as a config.

    Raises:
        InputError: naming the first wrong key and the values that it accepts.
    """
    return checked(Config, raw)


def difference(old: Any, new: Any, at: str = "") -> list[str]:
    """List where two plain configs differ, one `key: old -> new` per difference.

    >>> difference({"a": {"b": 1}}, {"a": {"b": 2}})
    ['a.b: 1 -> 2']
    """
    if isinstance(old, dict) and isinstance(new, dict):
        keys = list(old) + [key for key in new if key not in old]
        return [
            line for key in keys for line in difference(old.get(key), new.get(key), f"{at}.{key}" if at else str(key))
        ]
    return [] if old == new else [f"{at}: {old} -> {new}"]


def _placed(raw: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Set the values of dotted keys in nested sections that exist."""
    for key, value in values.items():
        *sections, last = key.split(".")
        at = raw
        for section in sections:
            at = at[section]
        at[last] = value
    return raw


def _searchable(train: Train) -> list[str]:
    """Return the dotted keys that a search may vary; trials of different length or ensemble size are not comparable."""
    fixed = {"flow", "members", "steps", "validate_every", "seed", "family", "order"}
    names = [name for name in Train.model_fields if name not in fixed]
    return [f"train.{name}" for name in names] + [
        f"train.flow.{name}" for name in type(train.flow).model_fields if name not in fixed
    ]


def _override(raw: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise InputError(f"--set {override:.80}: expected section.key=value")
    *sections, last = key.split(".")
    for section in sections:
        raw = raw.setdefault(section, {})
        if not isinstance(raw, dict):
            raise InputError(f"--set {override:.80}: {section} is a value, not a section")
    try:
        raw[last] = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError) as e:  # also dates and numbers that are none
        raise InputError(f"--set {override:.80}: the value is not YAML; quote it") from e
