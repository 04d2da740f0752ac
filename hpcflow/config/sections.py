"""The sections of a config: every key is declared, typed and frozen; unknown ones are refused."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from hpcflow.config.flows import Autoregressive, Axis, Flow
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
# Argument lists on the command line are easily given as one word.
Paths = Annotated[list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]


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

    noise: Literal["lognormal", "normal"] = "lognormal"
    relative_error: tuple[Fraction, Fraction] = (0.03, 0.5)
    relative_error_scale: Literal["linear", "log"] = "linear"  # in what errors are uniform
    undetected: Annotated[float, Field(ge=0)] = 1000.0  # largest error of bands that are not; for normal noise alone
    distance_mpc: tuple[float, float] = (1.0, 30.0)
    systematic: Fraction | dict[str, Fraction] = 0.05  # of all bands, or of each: relative, in quadrature
    draws: Literal["fresh", "frozen"] = "fresh"
    missing: Fraction = 0.0
    band_sets: list[list[str]] = []

    @model_validator(mode="before")
    @classmethod
    def _errors_follow_the_systematic(cls, raw: Any) -> Any:
        """No catalogue has errors below the systematic but for noise: where it is not said, they begin at 0.6 of it."""
        if not isinstance(raw, Mapping) or "relative_error" in raw or "systematic" not in raw:
            return raw
        given = raw["systematic"]
        values = list(given.values()) if isinstance(given, Mapping) else [given]
        if not values or not all(isinstance(value, float | int) and 0 <= value <= 0.8 for value in values):
            return raw
        return {**raw, "relative_error": [round(0.6 * min(values), 6), 0.5]}

    @model_validator(mode="after")
    def _has_errors_of_what_is_not_detected(self) -> "Observe":
        low, high = self.relative_error
        if self.relative_error_scale == "log" and low == 0:
            raise ValueError(f"relative_error [0, {high}] must begin above 0 to be uniform in the log; raise its start")
        if self.noise == "normal" and self.undetected and not (low > 0 and high < self.undetected):
            raise ValueError(
                f"relative_error [{low}, {high}] must begin above 0 and end below undetected = {self.undetected:g}, "
                "where the errors of bands that are not detected end; or set undetected to 0"
            )
        return self


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


class Train(Section):
    """What is learned, and how."""

    flow: Annotated[Flow, Field(discriminator="family")] = Autoregressive()
    features: Literal["absolute", "asinh", "paper"] = "absolute"  # with normal noise: asinh
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


class Search(Section):
    """Where `hpcflow search` looks, by dotted key of train; nowhere named, see `stages.search.space`."""

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
    distances: Literal["phangs", "legus"] = "phangs"  # of the galaxies table; legus: where it took others
    distance_mpc: dict[str, float] = {}
    distance_error_dex: dict[str, float] = {}
    marginalise_distance: bool = False  # distances drawn from their errors, not neglected
    classification: Literal["auto", "human", "machine"] = "auto"
    columns: Columns | None = None
    unit: str = "mJy"
    check_units: bool = True
    samples: Annotated[int, Field(ge=100)] = 10_000
    keep: Annotated[int, Field(ge=1)] = 1000
    predictive: Annotated[int, Field(ge=10)] = 500
    modes: Annotated[int, Field(ge=1, le=10)] = 3
    weights: bool = True  # where the likelihood is tractable
    polish: Literal["auto", "exact", "flow", "none"] = "auto"  # density that modes are climbed on; auto: exact if it is
    refine: bool = False  # more samples, then the exact grid, for clusters with few effective samples
    partition: Annotated[int, Field(gt=0)] | None = None  # clusters done and written at once; by their number if null
    seed: int = 1

    @model_validator(mode="after")
    def _keeps_what_it_draws(self) -> "Infer":
        for name, wanted in (("keep", self.keep), ("predictive", self.predictive)):
            if wanted > self.samples:
                raise ValueError(f"{name} = {wanted} is more than samples = {self.samples}; lower it")
        return self

    @model_validator(mode="after")
    def _weighs_what_it_refines(self) -> "Infer":
        for name, wanted in (("refine: true", self.refine), ("polish: exact", self.polish == "exact")):
            if wanted and not self.weights:
                raise ValueError(f"{name} needs weights: true, as it is done with the exact density")
        return self


class Require(Section):
    """What calibration must show, or `validate` ends with exit code 1; null is not judged.

    Differences of cumulative distributions count where they exceed what chance gives as well: a posterior shifted by
    0.1 standard deviations is off by 0.04 in its ranks, one that is a fifth too wide by 0.09 in its intervals.
    """

    ecdf: Annotated[float, Field(ge=0)] | None = 0.03  # of ranks: the six statistics of Walter et al. 2026
    coverage: Annotated[float, Field(ge=0)] | None = 0.05  # of central intervals, of each parameter
    regions: Annotated[float, Field(ge=0)] | None = 0.08  # of highest density, all parameters together
    tarp: Annotated[float, Field(ge=0)] | None = 0.05
    gap: Annotated[float, Field(ge=0)] | None = 3.0  # nats: a posterior that learned next to nothing
    c2st: Annotated[float, Field(ge=0.5, le=1)] | None = None  # accuracy, flow against exact posterior


class Validate(Section):
    """How the flow is checked on held-out simulations."""

    n: Annotated[int, Field(gt=0)] = 10_000
    samples: Annotated[int, Field(ge=20)] = 200
    exact: Annotated[int, Field(ge=0)] = 1000  # of the n, compared with the exact posterior
    partition: Annotated[int, Field(gt=0)] = 1000
    require: Require | None = Require()  # null: nothing is judged
    seed: int = 1


class Mock(Section):
    """A catalogue with known truth, for `hpcflow mock`; of a form other than plain, the survey's own files."""

    n: Annotated[int, Field(gt=0)] = 2000
    form: Literal["plain", "dr5", "v1", "candidates"] = "plain"
    seed: int = 1
