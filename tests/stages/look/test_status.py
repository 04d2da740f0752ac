"""What `hpcflow status` says while a run goes on, and when it does not."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hpcflow.base.lock import alone
from hpcflow.config.load import load_config
from hpcflow.stages.build import build_simulator
from hpcflow.stages.look.status import StageStatus, pace, status
from hpcflow.stages.progress import log, tracked
from hpcflow.stages.run import Run
from hpcflow.stages.simulate import open_or_create
from hpcflow.store.simulations import SimulationStore


@pytest.fixture
def library(tiny: Callable[..., Path], tmp_path: Path) -> tuple[Run, SimulationStore]:
    config = load_config(tiny(simulate={"n": 1000, "partition": 100, "seed": 3}))
    run = Run(tmp_path / "run")
    run.begin("simulate", config)
    return run, open_or_create(config, run, build_simulator(config).provenance)


def simulated(run: Run) -> StageStatus:
    return next(stage for stage in status(run) if stage.stage == "simulate")


def test_progress_rate_and_time_left(library: tuple[Run, SimulationStore]) -> None:
    run, store = library
    now = time.time()
    for i, partition in enumerate(store.partitions[:4]):
        store.write(partition, np.zeros((100, 2)), np.full((100, 5), np.nan), {"too dusty": 25 * i})
        mark = run.simulations / "status" / "c" / str(i)
        os.utime(mark, (now - 10 + 2 * i, now - 10 + 2 * i))
    found = simulated(run)
    assert (found.done, found.total) == (400, 1000)
    assert found.rate == pytest.approx(50.0, rel=1e-3)
    assert found.left_s == pytest.approx(12.0, rel=1e-3)
    assert found.lost == {"too dusty": 150}


def test_a_run_that_stands_still_has_no_rate(library: tuple[Run, SimulationStore]) -> None:
    run, store = library
    assert simulated(run).left_s is None
    for i, partition in enumerate(store.partitions[:4]):
        store.write(partition, np.zeros((100, 2)), np.ones((100, 5)))
        os.utime(run.simulations / "status" / "c" / str(i), (1e9 + i, 1e9 + i))
    assert simulated(run).rate == 0


def test_a_finished_run_has_no_time_left(library: tuple[Run, SimulationStore]) -> None:
    run, store = library
    for partition in store.partitions:
        store.write(partition, np.zeros((100, 2)), np.ones((100, 5)))
    found = simulated(run)
    assert found.finished
    assert found.left_s is None


def test_the_pace_is_the_recent_one() -> None:
    slow, fast = np.arange(200) * 10.0, 1990.0 + np.arange(1, 200) * 0.1
    assert pace([*slow, *fast], now=2010.0) == pytest.approx(10.0)
    assert pace([1.0, 2.0], now=2.0) == 0.0
    assert pace([5.0] * 9, now=5.0) == 0.0


def test_a_run_with_anothers_flow_has_nothing_to_simulate_or_train(tmp_path: Path, tiny: Callable[..., Path]) -> None:
    run = Run(tmp_path / "borrower")
    run.begin("infer", load_config(tiny(), ["infer.flow=elsewhere"]))
    assert [s.stage for s in status(run)] == ["infer", "report"]
    own = Run(tmp_path / "owner")
    own.begin("infer", load_config(tiny(), ["infer.posterior=flow"]))
    assert [s.stage for s in status(own)][:2] == ["simulate", "train"]
    exact = Run(tmp_path / "exact")
    exact.begin("infer", load_config(tiny()))
    assert [s.stage for s in status(exact)] == ["infer", "report"]


def test_a_driver_on_this_machine_is_seen(library: tuple[Run, SimulationStore]) -> None:
    run, store = library
    log.setLevel(logging.INFO)
    assert not simulated(run).running
    with alone(run.lock("simulate"), "it"):
        assert simulated(run).running
        assert simulated(run).says == "0 of 1,000 simulations"
        with tracked("simulate", 1000, keep=run.progress("simulate")) as track:
            track.look([time.monotonic() - 30])
            store.write(store.partitions[0], np.zeros((100, 2)), np.ones((100, 5)))
            assert simulated(run).says == "100 of 1,000 rows, 1 partition in flight, the first began 30 s ago"
        assert [s.running for s in status(run)] == [True, False, False, False, False]
    assert simulated(run).driver is None


def test_a_training_is_as_far_as_its_driver_says(library: tuple[Run, SimulationStore]) -> None:
    run, _ = library
    log.setLevel(logging.INFO)
    with alone(run.lock("train"), "it"), tracked("train", 400, 0, "steps", run.progress("train")) as track:
        track.note("validation NLL 1.5")
        track.look()
        found = next(s for s in status(run) if s.stage == "train")
        assert (found.done, found.total, found.unit, found.finished) == (0, 400, "steps", False)
        assert found.says == "0 of 400 steps, validation NLL 1.5"
