"""`hpcflow status`: what it says to do next while a driver runs, and what it shows to those who watch."""

import io
import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from hpcflow.base.lock import alone
from hpcflow.config.load import load_config
from hpcflow.stages.build import build_simulator
from hpcflow.stages.look import overview as module
from hpcflow.stages.look.overview import overview, show_status, watch
from hpcflow.stages.run import Run
from hpcflow.stages.simulate import open_or_create
from hpcflow.store.simulations import SimulationStore


@pytest.fixture
def run(tiny: Callable[..., Path], tmp_path: Path) -> Run:
    config = load_config(tiny(simulate={"n": 1000, "partition": 100, "seed": 3}))
    run = Run(tmp_path / "run")
    run.begin("simulate", config)
    open_or_create(config, run, build_simulator(config).provenance)
    return run


@dataclass
class Clock:
    """Stands in for the module time, as those who watch see it."""

    sleep: Callable[[float], None]
    monotonic: Callable[[], float] = time.monotonic


def said(run: Run) -> str:
    out = io.StringIO()
    show_status(overview(run), Console(file=out, width=100))
    return out.getvalue()


def test_while_a_driver_runs_there_is_nothing_to_do_but_wait(run: Run) -> None:
    assert f"next: hpcflow simulate CONFIG --run {run.path}" in said(run)
    with alone(run.lock("simulate"), "it"):
        lines = said(run).splitlines()
    assert lines[-1] == "next: wait"
    assert lines[-2].startswith(f"simulate: running as process {os.getpid()} on {socket.gethostname()}, since 20")
    assert lines[-2].endswith("; 0 of 1,000 simulations")


def test_a_driver_that_was_killed_is_no_reason_to_wait(run: Run) -> None:
    run.lock("simulate").parent.mkdir(exist_ok=True)
    run.lock("simulate").write_text(json.dumps({"host": "node7", "pid": 12, "since": 0.0, "alive": True}))
    lines = said(run).splitlines()
    assert lines[-2].startswith("simulate: process 12 on node7, since 19") and lines[-2].endswith(", was killed")
    assert lines[-1] == f"next: hpcflow simulate CONFIG --run {run.path}"


def test_who_watches_elsewhere_than_on_a_terminal_sees_every_change_once(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, out, naps = SimulationStore.open(run.simulations), io.StringIO(), list[float]()
    lock = alone(run.lock("simulate"), "it")

    def nap(seconds: float) -> None:
        """Let a partition end at the second look, and the driver at the fourth."""
        naps.append(seconds)
        if len(naps) == 2:
            store.write(store.partitions[0], np.zeros((100, 2)), np.ones((100, 5)))
        if len(naps) == 4:
            lock.__exit__(None, None, None)
            monkeypatch.setattr(module, "GRACE_S", 0.0)

    monkeypatch.setattr(module, "time", Clock(nap))
    with lock:
        watch(run, Console(file=out, width=100))
    assert len(naps) == 4
    told = [line for line in out.getvalue().splitlines() if line.startswith(("simulate:", "next:"))]
    assert [line.partition("; ")[2] for line in told if line.startswith("simulate:")] == [
        "0 of 1,000 simulations",
        "100 of 1,000 simulations",
    ]
    assert [line for line in told if line.startswith("next:")][-1].startswith("next: hpcflow simulate")
    assert len(told) == 5


def test_nothing_that_runs_is_not_watched(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "time", Clock(lambda _: pytest.fail("it waits for nothing")))
    out = io.StringIO()
    watch(run, Console(file=out, width=100))
    assert out.getvalue() == said(run)


def test_ctrl_c_is_how_to_stop_watching(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def press(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "time", Clock(press))
    out = io.StringIO()
    with alone(run.lock("simulate"), "it"):
        watch(run, Console(file=out, width=100, force_terminal=True))
    assert "next: wait" in out.getvalue()
