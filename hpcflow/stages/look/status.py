"""`hpcflow status`: what a run has done, what is missing, what failed, and what to do next."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hpcflow.base.errors import InputError
from hpcflow.base.lock import Holder, holder_of
from hpcflow.calibration.record import ValidationStore
from hpcflow.flow.header import read_header
from hpcflow.stages.progress import State, read_state
from hpcflow.stages.run import Run
from hpcflow.stages.which import EXACT, posterior_of
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.kind import given_names
from hpcflow.store.simulations import SimulationStore

__all__ = ["StageStatus", "pace", "status"]

RECENT = 100  # number of partitions over which the rate is averaged
STAGES = ("simulate", "train", "infer", "validate", "report")
BORROWED = ("infer", "report")  # the stages of a run that uses another run's flow, or none
QUIET_S = 60.0  # a stage without a finished partition for so long is idle


@dataclass(frozen=True)
class StageStatus:
    """The progress of one stage, and the reasons of its failed partitions."""

    stage: str
    done: int
    total: int
    unit: str
    failed: dict[str, str]
    rate: float = 0.0  # units per second at present; 0 if the stage is idle
    lost: dict[str, int] = field(default_factory=dict)  # rows that could not be simulated, by reason
    waiting: int = 0  # clusters without a distance, which have no posterior until one is given
    driver: Holder | None = None  # the process that computes it, or was killed while it did
    says: str = ""  # how far the driver is

    @property
    def left_s(self) -> float | None:
        """The remaining time at this rate in seconds, or None if the stage is idle."""
        return (self.total - self.done) / self.rate if self.rate else None

    @property
    def running(self) -> bool:
        """Whether a driver is at it."""
        return self.driver is not None and self.driver.alive

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return 0 < self.total == self.done


def status(run: Run) -> list[StageStatus]:
    """Return the status of every stage, in order; a run without a flow of its own has only infer and report.

    Raises:
        InputError: if the folder is not a run.
    """
    config = run.config()
    borrows = config.infer.flow is not None or (not run.simulations.exists() and posterior_of(config, run) == EXACT)
    stores: dict[str, tuple[Callable[[Path], Any], Path, str]] = {
        "simulate": (SimulationStore.open, run.simulations, "simulations"),
        "infer": (partial(PosteriorArchive.open, reading=True), run.posteriors, "clusters"),
        "validate": (ValidationStore.open, run.validation, "simulations"),
    }
    found = {}
    for stage, (opened, path, unit) in stores.items():
        done, total, rate, waiting = 0, 0, 0.0, 0
        lost: dict[str, int] = {}
        if path.exists():
            store = opened(path)
            total = sum(map(len, store.partitions))
            done = total - sum(map(len, store.missing()))
            rate = pace(store.finished(), time.time()) * len(store.partitions[0]) if done < total else 0.0
            lost = store.failures() if stage == "simulate" else {}
            waiting = _waiting(store) if isinstance(store, PosteriorArchive) else 0
        found[stage] = StageStatus(stage, done, total, unit, _failed(run, stage), rate, lost, waiting)
    found["train"] = _training(run)
    page = run.page.is_file()
    found["report"] = StageStatus("report", int(page), 1, "page", {})
    return [_driven(run, found[stage]) for stage in (BORROWED if borrows else STAGES)]


def _driven(run: Run, stage: StageStatus) -> StageStatus:
    """Add what the driver of a stage says of itself."""
    stage = replace(stage, driver=holder_of(run.lock(stage.stage)))
    if not stage.running:
        return stage
    state = read_state(run.progress(stage.stage)) or State(stage.done, stage.total, stage.unit)
    if stage.stage == "train":  # what it keeps of its state is minutes old
        stage = replace(stage, done=state.done, total=state.total, unit=state.unit)
    elif state.total == stage.total:  # it may compute only a part
        state = replace(state, done=stage.done)
    return replace(stage, rate=state.rate, says=str(state))


def _waiting(archive: PosteriorArchive) -> int:
    """Return the number of objects of which something that is given is unknown, such as the distance."""
    given = [np.isnan(archive.read(name)) for name in given_names(archive.attrs)]
    return int(np.any(given, axis=0).sum()) if given else 0


def _training(run: Run) -> StageStatus:
    if run.flow.is_dir() or not run.training.is_file():  # the folder is written whole or not at all
        return StageStatus("train", int(run.flow.is_dir()), 1, "flow", {})
    header = read_header(run.training)
    counters, steps = header.counters, header.identity["schedule"]["steps"]
    nll = f", NLL {counters.best:.3f}" if header.history else ""
    return StageStatus("train", counters.step, steps, f"steps{nll}", {})


def pace(finished: Sequence[float], now: float) -> float:
    """Return the number of partitions finished per second at present, 0 if idle or too few are finished.

    >>> pace([10.0, 12.0, 14.0, 16.0], now=17.0)
    0.5
    >>> pace([10.0, 12.0, 14.0, 16.0], now=1000.0)
    0.0

    Args:
        finished: times at which partitions were finished, in seconds, ascending.
        now: the present time on the same clock.
    """
    recent = finished[-RECENT:]
    if len(recent) < 3 or recent[-1] == recent[0]:
        return 0.0
    gap = (recent[-1] - recent[0]) / (len(recent) - 1)
    return 1 / gap if now - recent[-1] < max(QUIET_S, 10 * gap) else 0.0


def _failed(run: Run, stage: str) -> dict[str, str]:
    path = run.failed(stage)
    if not path.is_file():
        return {}
    try:
        return {str(partition): str(reason) for partition, reason in json.loads(path.read_text()).items()}
    except (ValueError, AttributeError, RecursionError) as e:
        raise InputError(f"{path} does not list failed partitions; remove it ({e})") from e
