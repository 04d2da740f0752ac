"""The stage with a simulator in another process, a stand-in for CIGALE on real Dask workers, or in threads."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcflow.base.errors import FailedPartitionsError, InputError
from hpcflow.compute.where import Here, InProcess
from hpcflow.config.load import Config, load_config, with_values
from hpcflow.stages.build import build_simulator
from hpcflow.stages.look.status import status
from hpcflow.stages.run import Run
from hpcflow.stages.simulate import draw, open_or_create, simulate
from hpcflow.stages.verify import verify_library
from hpcflow.store.simulations import SimulationStore

Configured = Callable[..., Config]


@pytest.fixture
def configured(tiny: Callable[..., Path], fake_cigale: dict[str, Any]) -> Configured:
    chain = fake_cigale | {
        "modules": ["sfh2exp", "bc03", "dustext", "poison"],
        "parameters": fake_cigale["parameters"] | {"dose": "poison.dose"},
    }
    low_high = {"log_age": (6.0, 8.0), "log_mass": (2.0, 8.0), "ebv": (0.0, 1.5), "dose": (0.0, 1.2)}
    model = {
        "simulator": "cigale",
        "cigale": chain,
        "bands": dict.fromkeys(("U", "V", "I"), "WFC3_UVIS.F555W"),
        "parameters": {name: {"low": low, "high": high} for name, (low, high) in low_high.items()},
    }

    def configure(python: str | None = sys.executable) -> Config:
        return load_config(tiny(model=model, simulate={"n": 200, "partition": 50, "seed": 3, "python": python}))

    return configure


@pytest.mark.parametrize("attempt", ["first", "again"])
def test_a_library_without_a_row_is_an_error(configured: Configured, tmp_path: Path, attempt: str) -> None:
    deadly = {"model.parameters.dose": {"low": 1.1, "high": 1.9}}
    config, run = with_values(configured(None), deadly), Run(tmp_path / "run")
    says = r"not one of 200 rows of .*simulations\.zarr could be simulated \(see above\); correct `model`"
    for _ in range(1 if attempt == "first" else 2):
        with pytest.raises(FailedPartitionsError, match=says):
            simulate(config, run, InProcess())
    assert SimulationStore.open(run.simulations).failures() == {"ValueError: too strong a dose": 200}
    with pytest.raises(InputError, match="failed; correct `model`"):
        SimulationStore.open(run.simulations).flux_range("train")


def test_workers_speak_to_cigale_and_count_what_failed(configured: Configured, tmp_path: Path) -> None:
    config, run = configured(), Run(tmp_path / "run")
    simulate(config, run, Here(2))
    store = SimulationStore.open(run.simulations)
    here = build_simulator(configured(None))
    for partition in store.partitions:
        theta = draw(config, partition)
        found = store.read(partition)
        np.testing.assert_array_equal(found[0], theta.astype(np.float32))
        np.testing.assert_array_equal(found[1], here(theta).astype(np.float32))
    lost = next(stage for stage in status(run) if stage.stage == "simulate").lost
    assert list(lost) == ["ValueError: too strong a dose"]
    assert 10 < lost["ValueError: too strong a dose"] < 70
    assert sum(len(store.rows(part)[0]) for part in ("train", "validation", "test")) == 200 - sum(lost.values())
    assert store.source["pcigale"] == "2023.0.fake"
    assert list(verify_library(config, run, rows=40)) == []


def test_an_environment_may_move(configured: Configured, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    simulate(configured(None), run, InProcess())
    (run.simulations / "status" / "c" / "2").unlink(missing_ok=True)
    simulate(configured(), run, InProcess())
    assert SimulationStore.open(run.simulations).missing() == []


def test_a_python_that_cannot_start_is_said_before_anything_is_written(configured: Configured, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"/bin/false cannot run the simulator .*; correct simulate\.python"):
        simulate(configured("/bin/false"), Run(tmp_path / "run"), Here(2))
    assert not (tmp_path / "run").exists()


def test_threads_are_no_part_of_what_is_simulated(tiny: Callable[..., Path], tmp_path: Path) -> None:
    one, three, other = (
        load_config(tiny(simulate={"n": 60_000, "partition": 20_000, "seed": seed, "threads": threads}))
        for seed, threads in ((3, 1), (3, 3), (4, 3))
    )
    run = Run(tmp_path / "run")
    run.begin("simulate", one)
    run.begin("simulate", three)
    assert run.config().simulate.threads == 3
    with pytest.raises(InputError, match=r"simulate\.seed: 3 -> 4"):
        run.begin("simulate", other)
    assert build_simulator(one).provenance == build_simulator(three).provenance
    theta = draw(three, open_or_create(one, run, build_simulator(one).provenance).partitions[0])
    assert len(theta) == 20_000
    np.testing.assert_array_equal(build_simulator(three)(theta), build_simulator(one)(theta))
