"""The sections of a config, with the type and the default of every key; unknown keys are refused."""

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from hpcflow.config.flows import Autoregressive, Axis, Flow
from hpcflow.config.joint_prior import Kind
from hpcflow.config.section import Section

__all__ = [
    "Bounds",
    "Infer",
    "Mock",
    "Model",
    "Observe",
    "Search",
    "Simulate",
    "Train",
    "Validate",
]

Fraction = Annotated[float, Field(ge=0, le=1)]
Unit = Annotated[str, Field(pattern=r"^[ -~]*$", max_length=100)]
# Of a parameter or a band: a name of columns, in lists of names separated by blanks, commas, colons and plus signs.
Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=60)]
Mpc = Annotated[float, Field(gt=0, le=1e5)]
Count = Annotated[int, Field(gt=0, le=10**9)]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
MOST_PARTITIONS = 1_000_000
NARROWEST = 1e-5  # width of a prior, relative to its bounds; 32 bits cannot tell the bounds of narrower ones apart
SMALLEST_ERROR = 0.01  # relative; where there is no systematic, so that errors have a lower bound
# --set infer.catalogues=FILE gives one word where a list is meant.
Paths = Annotated[list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]


@cache
def _is_unit(text: str) -> bool:
    """Return whether astropy knows a unit, whose symbols hold no separator of lists."""
    from astropy.units import Unit  # waits until a config has one

    try:
        Unit(text)
    except (ValueError, TypeError):
        return False
    return not set(text) & set(",:")


class Bounds(Section):
    """The prior of one parameter: uniform from low to high, or log-uniform (scale: log)."""

    low: float
    high: float
    unit: Unit = ""
    scale: Literal["linear", "log"] = "linear"
    nuisance: bool = False  # simulated, but not inferred

    @model_validator(mode="after")
    def _has_a_unit(self) -> "Bounds":
        if not _is_unit(self.unit):
            raise ValueError(f"{self.unit!r} is no unit; write mag, dex(yr) or another of astropy's")
        return self

    @model_validator(mode="after")
    def _is_a_range(self) -> "Bounds":
        if not self.high - self.low > NARROWEST * max(abs(self.low), abs(self.high)):
            raise ValueError(
                f"low = {self.low:g} must be below high = {self.high:g}; widen the prior, or fix its value"
            )
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"scale: log needs a positive low, not {self.low:g}; raise it above 0")
        return self


class Known(Section):
    """What is given of each object besides its photometry, for a simulator of one's own."""

    low: float
    high: float
    unit: Unit = ""
    reference: float = 1.0  # where fluxes are as simulated
    falls: float = 0.0  # observed fluxes fall as (reference / value) ** falls
    simulated: bool = False  # whether it is a parameter of the simulator
    dex: bool = False  # whether errors are those of log10 of the value

    @model_validator(mode="after")
    def _matters(self) -> "Known":
        if not self.low < self.high:
            raise ValueError(f"low = {self.low:g} must be below high = {self.high:g}; widen the range")
        if not self.falls and not self.simulated:
            raise ValueError("fluxes do not depend on it; set simulated: true, or how they fall with it")
        if self.falls and self.low <= 0:
            raise ValueError(f"fluxes cannot fall with a value of {self.low:g}; raise low above 0")
        return self


class Cigale(Section):
    """A chain of CIGALE modules; see `model.cigale` and docs/cigale.md."""

    modules: Annotated[list[str], Field(min_length=1)]
    fixed: dict[str, dict[str, bool | int | float | str]] = {}
    parameters: dict[str, str]
    filters: dict[str, str]


class Model(Section):
    """The model of a source: simulator, bands, and priors of the parameters."""

    simulator: str = "ssp"
    cigale: Cigale | None = None
    ssp: str = "bc03_miles_kroupa"
    isochrones: str = "sse"  # simulator: stochastic; a name of those that ship, or a path
    ages: Literal["continuous", "cigale"] = "continuous"
    extinction: Literal["odonnell94", "ccm89"] = "odonnell94"
    bands: Annotated[dict[Label, str], Field(min_length=2)]
    parameters: dict[Label, Bounds]
    prior: dict[Label, Kind] = {}  # how parameters hang together; by the name of one that ships, or by components
    fixed: dict[str, float] = {}
    given: dict[str, Known] = {}  # source: own
    scale: str = ""  # source: own; the parameter that is log10 of a factor of all fluxes

    @model_validator(mode="after")
    def _names_every_parameter_once(self) -> "Model":
        for names in (self.bands, self.parameters):
            columns = Counter(re.sub(r"\W", "_", name).lower() for name in names)
            if twins := [name for name, count in columns.items() if count > 1]:
                raise ValueError(f"several names become {twins[0]} in tables; rename all but one of them")
        if both := set(self.parameters) & set(self.fixed):
            raise ValueError(f"{', '.join(sorted(both))} is in both parameters and fixed; keep it in one of them")
        if self.simulator == "cigale" and self.cigale is None:
            raise ValueError("simulator: cigale needs the section cigale; docs/cigale.md has one to copy")
        return self


class Observe(Section):
    """How a survey observes a source: distances, errors, noise, missing bands."""

    noise: Literal["normal", "lognormal"] = "normal"
    relative_error: tuple[Fraction, Fraction] = (0.05, 0.5)  # as catalogues list them; true ones if lognormal
    relative_error_scale: Literal["linear", "log"] = "linear"  # true errors are uniform in this; lognormal noise only
    undetected: Annotated[float, Field(ge=0)] = 0.05  # probability that a band is undetected; normal noise only
    distance_mpc: tuple[Mpc, Mpc] = (1.0, 30.0)
    given: dict[str, tuple[float, float]] = {}  # ranges of what else is given of each object
    systematic: Fraction | dict[str, Fraction] = 0.05  # relative, in quadrature: for all bands, or per band
    draws: Literal["fresh", "frozen"] = "fresh"
    missing: Fraction = 0.0
    band_sets: list[list[str]] = []
    subset: tuple[Annotated[int, Field(ge=2)], int] | None = None  # how many bands of its set an object has, at random

    @property
    def may_lack(self) -> bool:
        """Whether objects may lack any band."""
        return self.missing > 0 or self.subset is not None

    @model_validator(mode="before")
    @classmethod
    def _errors_follow_the_systematic(cls, raw: Any) -> Any:
        """Default to the errors that a catalogue has once the systematic is added.

        A true error can be smaller than the listed one, which noise makes larger: log-normal noise starts at 0.6 of it.
        """
        if not isinstance(raw, Mapping) or "relative_error" in raw:
            return raw
        given = raw.get("systematic", 0.05)
        values = list(given.values()) if isinstance(given, Mapping) else [given]
        if not values or not all(isinstance(value, float | int) and value >= 0 for value in values):
            return raw
        least = 0.6 * min(values) if raw.get("noise") == "lognormal" else max(min(values), SMALLEST_ERROR)
        return {**raw, "relative_error": [round(least, 6), 0.5]} if least < 0.5 else raw

    @model_validator(mode="after")
    def _has_errors_that_can_be_drawn(self) -> "Observe":
        low, high = self.relative_error
        if low == 0 and (self.noise == "normal" or self.relative_error_scale == "log"):
            raise ValueError(f"relative_error [0, {high}] must start above 0 to be uniform in the log; raise its start")
        if not self.distance_mpc[0] <= self.distance_mpc[1]:
            raise ValueError(f"distance_mpc {list(self.distance_mpc)} ends before it starts; swap the two")
        if self.subset is not None and not self.subset[0] <= self.subset[1]:
            raise ValueError(f"subset {list(self.subset)} ends before it starts; swap the two")
        for name, (start, end) in self.given.items():
            if not start <= end:
                raise ValueError(f"given.{name} [{start}, {end}] ends before it starts; swap the two")
        if self.noise == "normal" and not low < high:
            raise ValueError(f"relative_error [{low}, {high}] has no width; raise its end")
        if self.noise == "normal" and self.undetected >= 1:
            raise ValueError(f"undetected = {self.undetected:g} is the probability that a band is undetected; lower it")
        return self


class Simulate(Section):
    """How many simulations to run, and in what pieces."""

    n: Annotated[int, Field(gt=0)] = 1_000_000
    partition: Count = 50_000
    seed: Seed = 1
    threads: Annotated[int, Field(ge=1, le=10_000)] = (
        1  # per worker, with simulator: ssp or stochastic; the result does not depend on it
    )
    timeout_s: Annotated[float, Field(gt=0)] = 600.0  # for a thousand rows of a simulator of one's own
    python: str | None = None  # an interpreter that has pcigale, if this one has not

    @model_validator(mode="after")
    def _has_partitions_to_hold_out(self) -> "Simulate":
        if self.n <= 2 * self.partition:
            raise ValueError(
                f"n = {self.n} gives fewer than 3 partitions of {self.partition}, but training, validation and "
                "test need one each; lower partition"
            )
        if self.n > MOST_PARTITIONS * self.partition:
            raise ValueError(
                f"n = {self.n} gives more than {MOST_PARTITIONS:,} partitions of {self.partition}; lower n, or raise "
                "partition"
            )
        return self


class Train(Section):
    """The flow, and how it is trained."""

    flow: Annotated[Flow, Field(discriminator="family")] = Autoregressive()
    features: Literal["absolute", "asinh", "paper"] = "asinh"  # absolute by default with lognormal noise
    embedding: Literal["slots", "set", "both"] = "slots"  # how a flow sees bands: each in its place, or as a set
    scale: Literal["auto", "exact", "learned"] = "auto"  # the parameter that scales fluxes, given all others
    members: Annotated[int, Field(ge=1, le=1000)] = 1  # number of flows in the ensemble
    batch: Annotated[int, Field(gt=0, le=10**7)] = 2048
    steps: Count = 20_000
    optimizer: Literal["muon", "adamw"] = "muon"
    learning_rate: Annotated[float, Field(gt=0, le=1e6)] = 1e-2
    warmup: Annotated[int, Field(ge=0, le=10**9)] = 200
    weight_decay: Annotated[float, Field(ge=0, le=1000)] = 0.0
    average: Annotated[float, Field(ge=0, lt=1)] = 0.998
    clip: Annotated[float, Field(gt=0)] = 5.0
    validate_every: Annotated[int, Field(gt=0)] = 250
    patience: Annotated[int, Field(gt=0)] = 20
    exact: Annotated[int, Field(ge=0, le=10**9)] = 500  # held-out examples on which the gap is logged
    resident_gb: Annotated[float, Field(gt=0)] = 4.0  # memory per process for simulations; more are streamed
    checkpoint_minutes: Annotated[float, Field(ge=0)] = 5.0
    compile: bool = False
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: Seed = 1


class Search(Section):
    """The space of `hpcflow search`, by dotted key of train; if empty, that of `stages.search.space`."""

    space: dict[str, Axis] = {}
    steps: Annotated[int, Field(gt=0)] | None = None  # of a trial that is not stopped early; null: train.steps
    seed: Seed = 1


class Columns(Section):
    """The column names of a plain table; each band is a key with the names [flux, error]."""

    model_config = ConfigDict(extra="allow", frozen=True)

    galaxy: str | None = None
    cluster_id: str | None = None
    ra: str | None = None
    dec: str | None = None
    distance: str | None = None
    cluster_class: str | None = None


class Infer(Section):
    """The catalogues, and what is computed for each cluster."""

    catalogues: Paths = []
    flow: str | None = None  # folder of another run, to use its flow, or shipped:NAME (`hpcflow flows` lists them)
    format: Literal["auto", "phangs", "legus", "legus-acs", "legus-uvis", "table"] = "auto"  # camera of B, V and I
    galaxy: str | None = None
    classes: list[int] | None = None
    distances: Literal["phangs", "legus"] = "phangs"  # of galaxies; legus: those that LEGUS used, if any
    distance_mpc: dict[str, Mpc] = {}
    distance_error_dex: dict[str, Annotated[float, Field(ge=0, lt=1)]] = {}
    marginalise_distance: bool = False  # draw distances from their errors instead of neglecting these
    classification: Literal["auto", "human", "machine"] = "auto"
    columns: Columns | None = None
    unit: Unit = "mJy"
    check_units: bool = True
    posterior: Literal["auto", "exact", "flow"] = "auto"  # auto: the flow if there is one, else the exact one
    sampling: Literal["sobol", "independent"] = "sobol"  # random numbers of the samples: quasi-random, or independent
    samples: Annotated[int, Field(ge=100, le=10**8)] = 2048
    keep: Annotated[int, Field(ge=1)] = 1000
    predictive: Annotated[int, Field(ge=10)] = 500
    modes: Annotated[int, Field(ge=1, le=10)] = 3
    weights: bool = True  # importance weights, if the likelihood is tractable
    polish: Literal["auto", "exact", "flow", "none"] = "auto"  # density that modes maximise; auto: exact if tractable
    refine: bool = False  # clusters with few effective samples get more samples, then the exact grid
    partition: Annotated[int, Field(gt=0)] | None = None  # clusters per partition; null: chosen from their number
    seed: Seed = 1

    @model_validator(mode="after")
    def _keeps_what_it_draws(self) -> "Infer":
        for name, wanted in (("keep", self.keep), ("predictive", self.predictive)):
            if wanted > self.samples:
                raise ValueError(f"{name} = {wanted} is more than samples = {self.samples}; lower it")
        return self

    @model_validator(mode="after")
    def _has_one_posterior(self) -> "Infer":
        if self.posterior == "exact" and self.flow is not None:
            raise ValueError("posterior: exact uses no flow; remove flow, or set posterior: flow")
        return self

    @model_validator(mode="after")
    def _weights_what_it_refines(self) -> "Infer":
        exact = {"polish": self.polish, "posterior": self.posterior}
        asked = [f"{name}: exact" for name, value in exact.items() if value == "exact"]
        for name in ["refine: true"] * self.refine + asked:
            if not self.weights:
                raise ValueError(f"{name} needs weights: true, because it uses the exact density")
        return self


class Require(Section):
    """The requirements on calibration; if one fails, `validate` ends with exit code 1. Null is not judged.

    A difference of cumulative distributions fails only if it is also larger than chance allows. For scale: a shift by
    0.1 standard deviations moves the ranks by 0.04, and a posterior a fifth too wide moves its intervals by 0.09.

    The limits of the last keys were chosen from measurement (docs/performance.md): the demo, NGC 1566 and a demo of 300
    steps, which must fail, reach 0.04, 0.02 and 0.26 in `local`, and a gap of 0.5, 0.4 and 2.0 nats.
    """

    ecdf: Annotated[float, Field(ge=0)] | None = 0.03  # ranks of the six statistics of Walter et al. 2026
    coverage: Annotated[float, Field(ge=0)] | None = 0.05  # central intervals of each parameter
    regions: Annotated[float, Field(ge=0)] | None = 0.08  # joint highest-density regions
    tarp: Annotated[float, Field(ge=0)] | None = 0.05
    strata: Annotated[float, Field(ge=0)] | None = 0.1  # all of these but products of parameters, in the worst stratum
    local: Annotated[float, Field(ge=0, le=1)] | None = 0.1  # correlation between ranks and what photometry foretells
    regression: Annotated[float, Field(ge=0)] | None = 0.1  # nats by which a linear regression beats the flow
    gap: Annotated[float, Field(ge=0)] | None = 1.5  # nats; short trainings reach 0.5, the published network has 1.9
    c2st: Annotated[float, Field(ge=0.5, le=1)] | None = None  # accuracy of a classifier between flow and exact samples


class Validate(Section):
    """How the flow is checked on held-out simulations."""

    n: Count = 10_000
    samples: Annotated[int, Field(ge=20, le=10**6)] = 200
    exact: Annotated[int, Field(ge=0, le=10**9)] = 1000  # how many of the n are compared with the exact posterior
    partition: Count = 1000
    require: Require | None = Require()  # null: nothing is judged
    seed: Seed = 1


class Mock(Section):
    """A catalogue with known truth, for `hpcflow mock`; forms other than plain imitate the survey's own files."""

    n: Count = 2000
    form: Literal["plain", "dr5", "v1", "candidates"] = "plain"
    systematic: Fraction | None = None  # relative, in quadrature; null: that of observe.systematic
    seed: Seed = 1
