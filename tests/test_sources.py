"""The whole machine looks at a kind of source that it does not know, `oscillation`, and names no parameter of any."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hpcflow
from hpcflow.base.errors import InputError
from hpcflow.calibration import findings
from hpcflow.calibration.record import ValidationStore
from hpcflow.compute.where import InProcess
from hpcflow.config.load import Config, load_config, parse_config
from hpcflow.model.observe import Photometry
from hpcflow.model.prior import Prior
from hpcflow.model.scale import Scale
from hpcflow.posterior.likelihood import Likelihood
from hpcflow.sources import SOURCES
from hpcflow.sources.source import Declared, Engine, Source
from hpcflow.stages.build import build_observer, build_prior, build_scale
from hpcflow.stages.infer import infer
from hpcflow.stages.init import init
from hpcflow.stages.look.status import status
from hpcflow.stages.report import make_report
from hpcflow.stages.run import Run
from hpcflow.stages.simulate import simulate
from hpcflow.stages.train import train_flow
from hpcflow.stages.validate import validate
from hpcflow.store.reading import open_archive
from oscillation import BANDS, OSCILLATION, Oscillator

OBJECTS = 6
ROOT = Path(hpcflow.__file__).parent
NAMES = {parameter.name for source in SOURCES.values() for parameter in source.parameters}
# The readers of files that list clusters only, and the tables of spectra, whose metallicity is their own.
OF_CLUSTERS = {f"catalogues/{name}.py" for name in ("legus", "phangs", "phangs_sed")}
OF_SPECTRA = {"model/tables.py", "model/table_formats.py"}


def words(path: Path) -> Iterator[str]:
    """Yield the words of a file's strings, apart from docstrings."""
    tree = ast.parse(path.read_text())
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef
    documented = [node.body[0] for node in ast.walk(tree) if isinstance(node, kinds) and node.body]
    docstrings = {id(first.value) for first in documented if isinstance(first, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield from re.findall(r"\w+", node.value)


def test_nothing_but_a_kind_of_source_names_its_parameters() -> None:
    found = {}
    for path in ROOT.rglob("*.py"):
        place = path.relative_to(ROOT)
        if place.parts[0] not in ("sources", "data") and str(place) not in OF_CLUSTERS | OF_SPECTRA:
            found[str(place)] = NAMES & set(words(path))
    assert len(found) > 150
    assert {place: names for place, names in found.items() if names} == {}


def parameters() -> Prior:
    return Prior(tuple(declared.parameter() for declared in OSCILLATION.parameters))


def oscillator() -> Oscillator:
    return Oscillator(bands=BANDS, parameters=("frequency", "damping", "phase", "delay"))


def write_catalogue(path: Path, config: Config) -> None:
    """Write objects drawn from the prior, as the survey of the config sees them."""
    rng, simulator = (
        np.random.default_rng(5),
        Oscillator(bands=BANDS, parameters=("frequency", "damping", "phase", "delay")),
    )
    theta, delay = parameters().sample(OBJECTS, rng), rng.uniform(0, 1, OBJECTS)
    flux = simulator(np.column_stack([theta[:, 1:], delay]))
    seen = build_observer(config)(flux, theta[:, 0], rng, delay[:, None])
    names = ["cluster_id", "delay", *(name for band in BANDS for name in (band, f"{band}_err"))]
    lines = [",".join(names)]
    for i in range(OBJECTS):
        pairs = [f"{value:.8g}" for pair in zip(seen.flux[i], seen.sigma[i], strict=True) for value in pair]
        lines.append(",".join([str(i), f"{delay[i]:.8g}", *pairs]))
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Give a run of all stages on oscillations."""
    folder = tmp_path_factory.mktemp("oscillation")
    small = {"family": "autoregressive", "hidden": 32, "embedding_hidden": 96, "embedding_layers": 2, "bins": 8}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SOURCES, OSCILLATION.name, OSCILLATION)
        config = parse_config(
            {
                "name": "oscillation",
                "source": "oscillation",
                "model": {
                    "bands": BANDS,
                    "parameters": {"log_amplitude": {}, "frequency": {}, "damping": {}, "phase": {"nuisance": True}},
                },
                "observe": {"relative_error": [0.15, 0.4], "undetected": 0.0},
                "simulate": {"n": 40_000, "partition": 5000},
                "train": {"flow": small, "batch": 512, "steps": 2000, "validate_every": 500},
                "validate": {"n": 1000, "samples": 100, "partition": 500, "require": None},
                "infer": {"catalogues": [str(folder / "seen.csv")], "samples": 2000, "keep": 500, "predictive": 100},
            }
        )
        write_catalogue(folder / "seen.csv", config)
        run = Run(folder / "run")
        simulate(config, run, InProcess())
        train_flow(config, run, 1)
        infer(config, run, InProcess())
        validate(config, run, InProcess())
        make_report(run.path)
        yield run


@pytest.mark.slow
def test_the_archive_has_what_the_kind_declares(looked: Run) -> None:
    with open_archive(looked.posteriors) as archive:
        assert archive["parameter"].values.tolist() == ["log_amplitude", "frequency", "damping"]
        assert archive["parameter_unit"].values.tolist() == ["", "Hz", "Hz"]
        assert (archive.attrs["kind"], archive.attrs["leading"]) == ("oscillation", "frequency")
        assert archive["delay"].attrs["units"] == "s"
        assert np.isfinite(archive["map"].values).all()
        assert (np.diff(archive["theta"].sel(parameter="frequency").values, axis=1) >= -1e-9).all()
        assert archive.attrs["log_weight"] == "none: the likelihood is not tractable while phase is a nuisance"
        assert np.median(archive["predictive_p"].values) > 0.05  # phases that reproduce the data are drawn


@pytest.mark.slow
def test_calibration_is_that_of_the_exact_posterior(looked: Run) -> None:
    """Ranks of 1000 truths are uniform within a small flow's error, and medians are those of a sum over the prior."""
    with ValidationStore.open(looked.validation).dataset() as record:
        assert max(found.value for found in findings.ecdf(record)) < 0.06
        assert {"frequency < 0.6", "1 <= frequency"} <= set(findings.by_stratum(record))
    with open_archive(looked.posteriors) as archive:
        found = archive["quantile"].values
        rows = {name: archive[name].values for name in ("flux", "sigma", "observed", "delay")}
    away = np.array([(found[i] - integrated(rows, i))[1] for i in range(OBJECTS)])
    width = (found[:, 2] - found[:, 0]) / 2
    assert np.median(np.abs(away / width)) < 0.35


def integrated(rows: dict[str, np.ndarray], i: int) -> np.ndarray:
    """Return quantiles (3, 3) of one object's posterior, by a weighted sum over the prior of all four parameters."""
    config = parse_config(
        {
            "name": "exact",
            "source": "oscillation",
            "model": {"bands": BANDS, "parameters": {p.name: {} for p in OSCILLATION.parameters}},
            "observe": {"relative_error": [0.15, 0.4], "undetected": 0.0},
        }
    )
    likelihood = Likelihood(oscillator(), parameters(), build_observer(config))
    theta = parameters().sample(100_000, np.random.default_rng(1))
    seen = Photometry(*(rows[n][i : i + 1] for n in ("flux", "sigma", "observed")), rows["delay"][i : i + 1, None])
    log_weight = likelihood(theta[None], seen)[0]
    weight = np.exp(log_weight - log_weight.max())
    quantiles = []
    for column in theta[:, :3].T:
        order = np.argsort(column)
        quantiles.append(np.interp((0.16, 0.5, 0.84), np.cumsum(weight[order]) / weight.sum(), column[order]))
    return np.array(quantiles).T


@pytest.mark.slow
def test_status_and_report_know_the_stages(looked: Run) -> None:
    assert build_scale(looked.config()).given[0].name == "delay"
    assert all(stage.finished for stage in status(looked))
    assert (looked.path / "report").is_dir()


class Mixed:
    """Fluxes that depend on any number of parameters, in fourteen bands."""

    def __init__(self, *, bands: Any, parameters: tuple[str, ...], **_: Any) -> None:
        self.parameters, self.bands = parameters, tuple(bands)
        self.provenance, self.reasons = {"simulator": "mixed"}, Counter[str]()

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        weight = np.random.default_rng(0).random((theta.shape[1], len(self.bands)))
        return np.exp(theta.astype(np.float64) @ weight / np.sqrt(theta.shape[1]))


@pytest.mark.slow
@pytest.mark.parametrize("dim", [1, 12])
def test_any_number_of_parameters_goes_through_all_stages(
    dim: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = tuple(f"p{i}" for i in range(dim))
    many = Source(
        "mixed", "mixtures", tuple(Declared(n, -1, 1) for n in names), Scale(), "p0", {"mixed": Engine(Mixed)}
    )
    monkeypatch.setitem(SOURCES, many.name, many)
    bands = {f"b{i}": "" for i in range(14)}
    small = {"family": "autoregressive", "hidden": 8, "embedding_hidden": 16}
    sections = {
        "name": "mixed",
        "source": "mixed",
        "model": {"bands": bands, "parameters": {name: {} for name in names}},
        "observe": {"relative_error": [0.05, 0.3], "undetected": 0.0},
        "simulate": {"n": 3000, "partition": 1000},
        "train": {"flow": small, "batch": 128, "steps": 20, "validate_every": 10},
        "validate": {"n": 100, "samples": 30, "partition": 50, "require": None},
        "infer": {"catalogues": [str(tmp_path / "seen.csv")], "samples": 500, "keep": 50, "predictive": 20},
    }
    config, rng = parse_config(sections), np.random.default_rng(1)
    theta = build_prior(config).sample(3, rng)
    seen = build_observer(config)(Mixed(bands=bands, parameters=names)(theta), None, rng)
    pairs = [[f"{v:.6g}" for pair in zip(*row, strict=True) for v in pair] for row in zip(*seen[:2], strict=True)]
    header = ["cluster_id", *(name for band in bands for name in (band, f"{band}_err"))]
    lines = [",".join(header), *(",".join([str(i), *row]) for i, row in enumerate(pairs))]
    (tmp_path / "seen.csv").write_text("\n".join(lines) + "\n")
    run = Run(tmp_path / "run")
    for stage in (simulate, train_flow, infer, validate):
        stage(config, run, 1 if stage is train_flow else InProcess())
    make_report(run.path)
    with open_archive(run.posteriors) as archive:
        assert archive["map"].shape == (3, dim)
        assert np.isfinite(archive["map"].values).all()
        assert archive["covariance"].shape == (3, dim, dim)
        assert (archive["efficiency"].values > 0).all()


def test_a_simulator_of_ones_own_runs_from_its_file(tmp_path: Path) -> None:
    init("own", tmp_path)
    small = [
        "simulate.n=6000",
        "simulate.partition=2000",
        "train.steps=20",
        "train.batch=128",
        "train.validate_every=10",
    ]
    tiny = "train.flow={family: autoregressive, hidden: 8, embedding_hidden: 16}"
    sets = [*small, tiny, "infer.samples=200", "infer.keep=50"]
    catalogue = tmp_path / "seen.csv"
    names = ["cluster_id", "distance", "distance_error", *(name for band in "griz" for name in (band, f"{band}_err"))]
    rows = [f"{i},{distance},0.02," + ",".join(["0.1,0.01"] * 4) for i, distance in enumerate((150, 400))]
    catalogue.write_text("\n".join([",".join(names), *rows]) + "\n")
    config = load_config(
        tmp_path / "own.yaml",
        [*sets, "infer.predictive=20", f"infer.catalogues=[{catalogue}]", "infer.marginalise_distance=true"],
    )
    run = Run(tmp_path / "run")
    simulate(config, run, InProcess())
    train_flow(config, run, 1)
    infer(config, run, InProcess())
    with open_archive(run.posteriors) as archive:
        assert archive["parameter"].values.tolist() == ["log_energy", "slope", "log_time"]
        assert archive["distance"].values.tolist() == [150.0, 400.0]
        assert np.isfinite(archive["map"].values).all()
        assert archive.attrs["log_weight"] == "none: the likelihood is not tractable while width is a nuisance"
    (tmp_path / "own.py").write_text((tmp_path / "own.py").read_text() + "\n# changed\n")
    with pytest.raises(InputError, match="was made from another file_sha256"):
        simulate(config, run, InProcess())
    with pytest.raises(InputError, match="has changed since the library"):
        infer(config, run, InProcess())
