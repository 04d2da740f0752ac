"""The one config: what to compute, as typed and frozen values; unknown keys are refused."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from hpcflow.errors import InputError

__all__ = ["Axis", "Config", "difference", "dump_yaml", "load_config", "load_yaml", "with_values"]

Fraction = Annotated[float, Field(ge=0, le=1)]
# Argument lists on the command line are easily given as one word.
Paths = Annotated[list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]


class Section(BaseModel):
    """A part of the config: every key is declared, none can be changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Bounds(Section):
    """One parameter: uniform from low to high, or in the logarithm (scale: log)."""

    low: float
    high: float
    unit: str = ""
    scale: Literal["linear", "log"] = "linear"


class Cigale(Section):
    """A chain of CIGALE modules; see `model.cigale` and docs/cigale.md."""

    modules: Annotated[list[str], Field(min_length=1)]
    fixed: dict[str, dict[str, bool | int | float | str]] = {}
    parameters: dict[str, str]
    filters: dict[str, str]


class Model(Section):
    """What a cluster looks like."""

    simulator: Literal["ssp", "cigale"] = "ssp"
    cigale: Cigale | None = None
    ssp: str = "bc03_miles_kroupa"
    ages: Literal["continuous", "cigale"] = "continuous"
    extinction: Literal["odonnell94", "ccm89"] = "odonnell94"
    bands: Annotated[dict[str, str], Field(min_length=2)]
    parameters: dict[str, Bounds]
    fixed: dict[str, float] = {"r_v": 3.1, "metallicity": 0.02}

    @model_validator(mode="after")
    def _has_what_every_cluster_has(self) -> "Model":
        if missing := {"log_age", "log_mass", "ebv"} - set(self.parameters):
            raise ValueError(f"parameters lacks {', '.join(sorted(missing))}; give each low and high")
        if both := set(self.parameters) & set(self.fixed):
            raise ValueError(f"{', '.join(sorted(both))} is both free and fixed; keep it in one place")
        if self.simulator == "cigale" and self.cigale is None:
            raise ValueError("simulator: cigale needs the section cigale; docs/cigale.md has one to copy")
        return self


class Observe(Section):
    """How a survey sees it: distances, errors, noise, lost bands."""

    noise: Literal["lognormal"] = "lognormal"
    relative_error: tuple[Fraction, Fraction] = (0.03, 0.5)
    distance_mpc: tuple[float, float] = (1.0, 30.0)
    systematic: Fraction = 0.05
    draws: Literal["fresh", "frozen"] = "fresh"
    missing: Fraction = 0.0
    band_sets: list[list[str]] = []


class Simulate(Section):
    """How many simulations, in which pieces."""

    n: Annotated[int, Field(gt=0)] = 1_000_000
    partition: Annotated[int, Field(gt=0)] = 50_000
    seed: int = 1
    threads: Annotated[int, Field(ge=1)] = 1  # of each worker, for the simulator ssp; the same bytes for any number
    python: str | None = None  # an interpreter with pcigale, where this one has none

    @model_validator(mode="after")
    def _has_partitions_to_hold_out(self) -> "Simulate":
        if self.n <= 2 * self.partition:
            raise ValueError(
                f"n = {self.n} makes fewer than 3 partitions of {self.partition}, one each for training, "
                "validation and test; lower partition"
            )
        return self


class Cinn(Section):
    """The FrEIA network of Walter et al. 2026; see `flow.cinn`."""

    family: Literal["cinn"] = "cinn"
    blocks: int = 8
    hidden: int = 128
    layers: int = 2
    embedding: int = 64
    embedding_hidden: int = 256
    embedding_layers: int = 2
    clamp: float = 2.0


class Autoregressive(Section):
    """The autoregressive spline flow; see `flow.autoregressive`."""

    family: Literal["autoregressive"] = "autoregressive"
    order: list[str] = []
    bins: int = 16
    hidden: int = 96
    layers: int = 2
    rank: int = 32
    frequencies: int = 8
    embedding_hidden: int = 384
    embedding_layers: int = 3


class Train(Section):
    """What is learned, and how."""

    flow: Annotated[Cinn | Autoregressive, Field(discriminator="family")] = Autoregressive()
    features: Literal["absolute", "paper"] = "absolute"
    members: Annotated[int, Field(ge=1)] = 1  # flows of the ensemble
    batch: Annotated[int, Field(gt=0)] = 2048
    steps: Annotated[int, Field(gt=0)] = 20_000
    optimizer: Literal["muon", "adamw"] = "muon"
    learning_rate: Annotated[float, Field(gt=0)] = 1e-2
    warmup: Annotated[int, Field(ge=0)] = 200
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    average: Annotated[float, Field(ge=0, lt=1)] = 0.998
    clip: Annotated[float, Field(gt=0)] = 5.0
    validate_every: Annotated[int, Field(gt=0)] = 250
    patience: Annotated[int, Field(gt=0)] = 20
    exact: Annotated[int, Field(ge=0)] = 500  # held-out examples whose gap to the exact posterior is followed
    resident_gb: Annotated[float, Field(gt=0)] = 4.0  # of simulations, per process; a larger library is streamed
    checkpoint_minutes: Annotated[float, Field(ge=0)] = 5.0
    compile: bool = False
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = 1


class Axis(Section):
    """The values one key may take in a search: choices, or all from low to high (in the logarithm: log)."""

    choices: list[bool | int | float | str] = []
    low: int | float | None = None
    high: int | float | None = None
    log: bool = False

    @model_validator(mode="after")
    def _is_choices_or_a_range(self) -> "Axis":
        if self.choices:
            if self.low is not None or self.high is not None:
                raise ValueError("choices and a range are given; keep one")
        elif self.low is None or self.high is None:
            raise ValueError("give choices, or both low and high")
        elif not self.low < self.high:
            raise ValueError(f"low = {self.low} is not below high = {self.high}; swap them")
        elif self.log and self.low <= 0:
            raise ValueError(f"low = {self.low} has no logarithm; raise it above 0")
        return self

    @property
    def corners(self) -> list[bool | int | float | str]:
        """Its choices, or the two ends of its range."""
        return self.choices or [end for end in (self.low, self.high) if end is not None]


class Search(Section):
    """Where `hpcflow train --search` looks, by dotted key of train; nowhere named, see `stages.search_space`."""

    space: dict[str, Axis] = {}
    steps: Annotated[int, Field(gt=0)] | None = None  # of a trial that is not stopped early; those of train if null
    seed: int = 1


class Columns(Section):
    """Names of a plain table's columns; each band is [flux, error]."""

    model_config = ConfigDict(extra="allow", frozen=True)

    galaxy: str | None = None
    cluster_id: str | None = None
    ra: str | None = None
    dec: str | None = None
    distance: str | None = None
    cluster_class: str | None = None


class Infer(Section):
    """Which catalogues, and what is computed of each cluster."""

    catalogues: Paths = []
    flow: str | None = None  # another run's folder, whose flow is used
    format: Literal["auto", "phangs", "legus", "table"] = "auto"
    galaxy: str | None = None
    classes: list[int] | None = None
    distance_mpc: dict[str, float] = {}
    columns: Columns | None = None
    unit: str = "mJy"
    check_units: bool = True
    samples: Annotated[int, Field(ge=100)] = 10_000
    keep: Annotated[int, Field(ge=1)] = 1000
    predictive: Annotated[int, Field(ge=10)] = 500
    modes: Annotated[int, Field(ge=1, le=10)] = 3
    partition: Annotated[int, Field(gt=0)] = 128
    seed: int = 1

    @model_validator(mode="after")
    def _keeps_what_it_draws(self) -> "Infer":
        for name, wanted in (("keep", self.keep), ("predictive", self.predictive)):
            if wanted > self.samples:
                raise ValueError(f"{name} = {wanted} is more than samples = {self.samples}; lower it")
        return self


class Validate(Section):
    """How the flow is checked on held-out simulations."""

    n: Annotated[int, Field(gt=0)] = 10_000
    samples: Annotated[int, Field(ge=20)] = 200
    exact: Annotated[int, Field(ge=0)] = 1000  # of the n, compared with the exact posterior
    partition: Annotated[int, Field(gt=0)] = 1000
    seed: int = 1


class Mock(Section):
    """A catalogue with known truth, for `hpcflow mock`."""

    n: Annotated[int, Field(gt=0)] = 2000
    seed: int = 1


class Config(Section):
    """Everything one run computes."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    model: Model
    observe: Observe = Observe()
    simulate: Simulate = Simulate()
    train: Train = Train()
    search: Search = Search()
    infer: Infer = Infer()
    validation: Annotated[Validate, Field(alias="validate")] = Validate()
    mock: Mock = Mock()

    @model_validator(mode="after")
    def _names_are_known(self) -> "Config":
        order = getattr(self.train.flow, "order", [])
        if order and set(order) != set(self.model.parameters):
            raise ValueError(f"train.flow.order must name each of {', '.join(self.model.parameters)} once")
        unknown = {b for bands in self.observe.band_sets for b in bands} - set(self.model.bands)
        if unknown:
            raise ValueError(f"observe.band_sets names {', '.join(sorted(unknown))}, which model.bands lacks")
        return self

    @model_validator(mode="after")
    def _search_leads_to_configs(self) -> "Config":
        known = _searchable(self.train)
        for key, axis in self.search.space.items():
            if key not in known:
                raise ValueError(f"search.space: {key} cannot be searched; known here: {', '.join(known)}")
            for value in axis.corners:
                try:
                    Config.model_validate(_placed({**self.plain(), "search": {}}, {key: value}))
                except ValidationError as e:
                    raise ValueError(f"search.space: {_sentence(e)}") from e
        return self

    def plain(self) -> dict[str, Any]:
        """Return the config as nested dictionaries of YAML's own types."""
        return self.model_dump(mode="json", by_alias=True)


def load_yaml(path: Path) -> Any:
    """Read a YAML 1.2 file safely, so that 1e-3 is a number and 12:00:00 is not.

    Raises:
        InputError: if the file is missing or is not YAML.
    """
    try:
        return YAML(typ="safe", pure=True).load(path.read_text())
    except OSError as e:
        raise InputError(f"{path} cannot be read: {e.strerror}; `hpcflow init` makes a config to start from") from e
    except YAMLError as e:
        raise InputError(f"{path} is not YAML: {' '.join(str(e).split())}") from e


def dump_yaml(value: Any) -> str:
    """Return plain values as YAML text."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # annotated as None only
    text = io.StringIO()
    yaml.dump(value, text)
    return text.getvalue()


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read a config and apply `section.key=value` overrides, whose values are YAML.

    Raises:
        InputError: naming the first key that is wrong, and what it may be.
    """
    raw = load_yaml(path)
    if not isinstance(raw, dict):
        raise InputError(f"{path} does not hold a mapping of sections; `hpcflow init` makes a config to start from")
    for override in overrides:
        _override(raw, override)
    try:
        return Config.model_validate(raw)
    except ValidationError as e:
        raise InputError(f"{path}: {_sentence(e)}") from e


def with_values(config: Config, values: Mapping[str, Any]) -> Config:
    """Return the config with the values of dotted keys replaced, checked as if it had been read so.

    Raises:
        InputError: naming the first key that is wrong, and what it may be.
    """
    try:
        return Config.model_validate(_placed(config.plain(), values))
    except ValidationError as e:
        raise InputError(_sentence(e)) from e


def difference(old: Any, new: Any, at: str = "") -> list[str]:
    """Say where two plain configs differ, one `key: old -> new` each.

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
    """Put values into nested sections, which are there."""
    for key, value in values.items():
        *sections, last = key.split(".")
        at = raw
        for section in sections:
            at = at[section]
        at[last] = value
    return raw


def _searchable(train: Train) -> list[str]:
    """Return the dotted keys whose values make comparable trainings; how long they last is not among them."""
    fixed = {"flow", "members", "steps", "validate_every", "seed", "family", "order"}
    names = [name for name in Train.model_fields if name not in fixed]
    return [f"train.{name}" for name in names] + [
        f"train.flow.{name}" for name in type(train.flow).model_fields if name not in fixed
    ]


def _override(raw: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise InputError(f"--set {override}: expected section.key=value")
    *sections, last = key.split(".")
    for section in sections:
        raw = raw.setdefault(section, {})
        if not isinstance(raw, dict):
            raise InputError(f"--set {override}: {section} is a value, not a section")
    try:
        raw[last] = YAML(typ="safe", pure=True).load(text)
    except YAMLError as e:
        raise InputError(f"--set {override}: the value is not YAML; quote it") from e


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    # The name of a union's branch ("autoregressive") and the like are pydantic's, not keys of the file.
    where = ".".join(str(part) for part in first["loc"]) or "the config"
    if first["type"] == "extra_forbidden":
        known = ", ".join(_keys(first["loc"][:-1]))
        return f"{where} is not a known key; known here: {known}"
    if first["type"] == "missing":
        return f"{where} is missing; add it"
    if first["type"] == "value_error":  # our own sentence
        return f"{where}: {first['ctx']['error']}"
    return f"{where}: {first['msg'][:1].lower()}{first['msg'][1:]} (given: {first['input']!r:.80})"


def _keys(location: Sequence[Any]) -> list[str]:
    """Return the keys that the section at a location has."""
    section: Any = Config
    for part in location:
        fields = {f.alias or name: f.annotation for name, f in section.model_fields.items()}
        if part == "flow":
            section = Train
            continue
        families: dict[Any, Any] = {"cinn": Cinn, "autoregressive": Autoregressive}
        section = families.get(part) or fields.get(part, section)
        if not hasattr(section, "model_fields"):
            section = Axis if part == "space" else Bounds
    return [f.alias or name for name, f in section.model_fields.items()]
