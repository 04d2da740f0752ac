"""What the scheduler sees of workers and of their jobs: who is there, and which partitions they have and finish."""

import time
from collections import defaultdict
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from distributed import Scheduler
from distributed.diagnostics.plugin import SchedulerPlugin

__all__ = ["Ledger", "Life", "idle", "to_do"]

TO_DO = ("waiting", "queued", "no-worker", "processing")


@dataclass
class Life:
    """The life of a worker job.

    Args:
        workers: addresses of its workers that are connected.
        born: time at which the first of them came, None if none has.
        lost: number of workers that were lost, however that happened.
        finished: number of partitions that it has finished.
    """

    workers: set[str] = field(default_factory=set)
    born: float | None = None
    lost: int = 0
    finished: int = 0

    @property
    def age_s(self) -> float:
        """Seconds since its first worker came; 0 if none has."""
        return 0.0 if self.born is None else time.monotonic() - self.born


class Ledger(SchedulerPlugin):
    """Keeps the partitions in flight, and the lives of worker jobs.

    Their workers are named after them: JOB, or JOB-NUMBER if there are several.

    The scheduler calls it in its own thread; others may read it.
    """

    name = "hpcflow-ledger"

    def __init__(self) -> None:
        self.lives: dict[str, Life] = defaultdict(Life)
        self.begun = False  # whether there ever was a partition
        self.finished = 0
        self.longest_s = 0.0  # that a partition took
        self.changed = Event()  # set whenever a worker comes or goes
        self._jobs: dict[str, str] = {}
        self._began: dict[Any, float] = {}  # the partitions that workers have

    @property
    def connected(self) -> int:
        """Number of workers."""
        return len(self._jobs)

    def running(self) -> list[float]:
        """Return the times at which the partitions that workers have now began, by `time.monotonic`."""
        # The first few are handed out before workers are free; each computes one at a time.
        return sorted(self._began.values())[: self.connected]

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        """Note that a worker has come."""
        job = str(scheduler.workers[worker].name).partition("-")[0]
        self._jobs[worker] = job
        life = self.lives[job]
        life.workers.add(worker)
        life.born = life.born or time.monotonic()
        self.changed.set()

    def remove_worker(self, scheduler: Scheduler, worker: str, **_: Any) -> None:
        """Note that a worker has gone."""
        life = self.lives[self._jobs.pop(worker)]
        life.workers.discard(worker)
        life.lost += 1
        self.changed.set()

    def transition(self, key: Any, start: str, finish: str, *_: Any, **said: Any) -> None:
        """Note that a worker has begun a partition, or finished it, and how long it took."""
        self.begun = True
        if finish == "processing":
            self._began[key] = time.monotonic()
        else:
            self._began.pop(key, None)
        if (start, finish) == ("processing", "memory") and (job := self._jobs.get(said.get("worker", ""))):
            self.finished += 1
            self.lives[job].finished += 1
            spent = (one["stop"] - one["start"] for one in said.get("startstops") or () if one["action"] == "compute")
            self.longest_s = max(self.longest_s, *spent, 0.0)


def to_do(scheduler: Scheduler) -> int:
    """Return the number of partitions that the scheduler has and no worker has finished."""
    return sum(task.state in TO_DO for task in list(scheduler.tasks.values()))


def idle(scheduler: Scheduler, life: Life) -> bool:
    """Return whether none of a job's workers is at a partition."""
    states = [scheduler.workers.get(address) for address in life.workers]
    return not any(state.processing for state in states if state is not None)
