"""Fixtures that several rooms share."""

import importlib.util
import logging
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import dask
import pytest

from browser import visit
from hpcflow.compute.where import InProcess
from hpcflow.config.load import dump_yaml

if TYPE_CHECKING:
    from hpcflow.stages.run import Run

SHARED = Path(__file__).parents[2] / "shared"
FAKES = Path(__file__).parent / "fakes"
pytest_plugins = ["made_run"]  # the fixtures run, archive, truth and labels
collect_ignore = ["fakes"]  # packages that stand in for others are imported by tests, not collected
REQUIRED = os.environ.get("HPCFLOW_REQUIRE", "").split(",")  # what must be there: slurm, shellcheck, legus


def lack(what: str, reason: str) -> NoReturn:
    """Skip a test for want of something, or fail where HPCFLOW_REQUIRE says that it must be there."""
    if what in REQUIRED:
        pytest.fail(f"HPCFLOW_REQUIRE names {what}, but {reason}", pytrace=False)
    pytest.skip(reason)


@cache
def no_slurm() -> str:
    """Say why there is no SLURM to test with; only a pretended one will do, as tests fill it and kill its nodes."""
    if not shutil.which("scontrol"):
        return "SLURM is not installed"
    try:
        done = subprocess.run(["scontrol", "show", "config"], capture_output=True, text=True, timeout=15)
    except subprocess.TimeoutExpired:
        return "SLURM does not answer"
    lines = ["".join(line.split()) for line in done.stdout.splitlines()]
    return "" if "ClusterName=dev" in lines else "slurm/devcluster is not up (make test-slurm)"


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("slurm") and no_slurm():
        lack("slurm", no_slurm())


@pytest.fixture
def fake_slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Put a stand-in for SLURM's commands first on the path, and give its queue."""
    fake = runpy.run_path(str(FAKES / "slurm.py"))["FakeSlurm"](tmp_path / "slurm")
    monkeypatch.setenv("PATH", os.pathsep.join([str(fake.folder), os.environ["PATH"]]))
    return fake


@pytest.fixture
def need() -> Callable[[str], str]:
    """Give a function that returns where a program is, and skips the test where it is nowhere."""

    def find(program: str) -> str:
        return shutil.which(program) or lack(program, f"{program} is not installed")

    return find


@pytest.fixture
def peer() -> Callable[[str], Any]:
    """Give a function that imports a module of another project, and skips the test where that is not installed."""

    def find(module: str) -> Any:
        project = module.partition(".")[0]
        if importlib.util.find_spec(project) is None:
            lack(project, f"{project} is not installed")
        return importlib.import_module(module)

    return find


@pytest.fixture(scope="session")
def reference() -> Path:
    """Give the folder of CIGALE's own models, and skip the test where it is not beside the checkout."""
    folder = SHARED / "data" / "cigale" / "reference"
    return folder if folder.is_dir() else lack("reference", f"CIGALE's reference models are not at {folder}")


@pytest.fixture(scope="session")
def legus() -> Callable[[str], Path]:
    """Give a function that returns a galaxy's real catalogue, and skips the test where there is none."""
    folder = SHARED / "data" / "legus"

    def find(name: str) -> Path:
        found = sorted(folder.glob(f"*_{name}_*.tab"))
        return found[0] if found else lack("legus", f"the LEGUS catalogue of {name} is not at {folder}")

    return find


@pytest.fixture
def browse(need: Callable[[str], str]) -> Callable[..., Any]:
    """Give a function that opens a page in headless Chromium; see `browser.visit`."""
    chromium = shutil.which("chromium-browser") or need("chromium")
    return lambda *args, **kwargs: visit(chromium, *args, **kwargs)


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run every test in a folder of its own, so that a stray relative path cannot touch the checkout."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def no_default_client() -> Iterator[None]:
    """Catch a Dask client that outlives its test as the default one: every lazy array read after it would fail."""
    before = dask.config.get("scheduler", None)
    yield
    assert dask.config.get("scheduler", None) == before


@pytest.fixture(autouse=True)
def plain_log() -> Iterator[None]:
    """Undo what the command line does to the log: tests that come after it read messages at the root."""
    yield
    log = logging.getLogger("hpcflow")
    log.propagate = True
    log.handlers.clear()
    log.setLevel(logging.NOTSET)
    logging.getLogger("distributed.process").setLevel(logging.NOTSET)
    logging.raiseExceptions = True


@pytest.fixture
def fake_cigale(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Put a stand-in for pcigale on the path, here and for child processes, and give a chain for `model.cigale`."""
    paths = [str(FAKES), str(FAKES.parents[1]), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    monkeypatch.syspath_prepend(str(FAKES))
    yield {
        "modules": ["sfh2exp", "bc03", "dustext", "redshifting"],
        "fixed": {"sfh2exp": {"burst_age": 1}, "bc03": {"imf": 1}},
        "parameters": {
            "log_age": "sfh2exp.age",
            "ebv": "dustext.E_BV",
            "r_v": "dustext.Rv",
            "metallicity": "bc03.metallicity",
        },
        "filters": {"U": "fake.U", "V": "fake.V", "I": "fake.I"},
    }
    for name in [name for name in sys.modules if name.split(".")[0] == "pcigale"]:
        del sys.modules[name]


@pytest.fixture(scope="session")
def write_config() -> Callable[..., Path]:
    """Give a function that writes a config that runs in seconds; keyword arguments replace whole sections."""

    def write(folder: Path, **sections: Any) -> Path:
        config: dict[str, Any] = {
            "name": "tiny",
            "model": {
                "bands": {
                    "F275W": "WFC3_UVIS.F275W",
                    "F336W": "WFC3_UVIS.F336W",
                    "F438W": "WFC3_UVIS.F438W",
                    "F555W": "WFC3_UVIS.F555W",
                    "F814W": "WFC3_UVIS.F814W",
                },
                "parameters": {
                    "log_age": {"low": 6.0, "high": 10.1383},
                    "log_mass": {"low": 2.0, "high": 8.0},
                    "ebv": {"low": 0.0, "high": 1.5},
                },
            },
            "observe": {"missing": 0.1},
            "simulate": {"n": 4500, "partition": 1000, "seed": 3},
            "train": {
                "flow": {"family": "autoregressive", "hidden": 8, "embedding_hidden": 16, "embedding_layers": 1},
                "batch": 128,
                "steps": 20,
                "validate_every": 10,
                "exact": 30,  # they take longer than the steps
            },
            "infer": {"samples": 200, "keep": 50, "predictive": 30, "partition": 16},
            # 20 steps teach next to nothing
            "validate": {"n": 200, "samples": 30, "partition": 64, "exact": 30, "require": None},
            "mock": {"n": 50, "seed": 2},
        }
        path = folder / "tiny.yaml"
        path.write_text(dump_yaml(config | sections))
        return path

    return write


@pytest.fixture
def tiny(tmp_path: Path, write_config: Callable[..., Path]) -> Callable[..., Path]:
    """Give the same function, for the test's own folder."""
    return lambda **sections: write_config(tmp_path, **sections)


@pytest.fixture(scope="session")
def inferred(tmp_path_factory: pytest.TempPathFactory, write_config: Callable[..., Path]) -> "Run":
    """Give a small run with every stage up to inference done; tests must not change it."""
    from hpcflow.config.load import load_config
    from hpcflow.stages.build import build_survey_simulator
    from hpcflow.stages.infer import infer
    from hpcflow.stages.mock import make_mock
    from hpcflow.stages.run import Run
    from hpcflow.stages.simulate import simulate
    from hpcflow.stages.train import train_flow

    folder = tmp_path_factory.mktemp("inferred")
    config = load_config(write_config(folder), [f"infer.catalogues=[{folder / 'mock.fits'}]"])
    make_mock(build_survey_simulator(config), config.model.bands, 50, 2, folder)
    run = Run(folder / "run")
    simulate(config, run, InProcess())
    train_flow(config, run, 1)
    infer(config, run, InProcess())
    return run


@pytest.fixture
def copied(tmp_path: Path) -> "Callable[[Run], Run]":
    """Give a function that copies a run's folder for a test that harms it."""
    from hpcflow.stages.run import Run

    return lambda run: Run(Path(shutil.copytree(run.path, tmp_path / "copy")))
