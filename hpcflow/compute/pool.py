"""The worker jobs of a driver: submitted while there is work, replaced when they are lost, and given up in the end."""

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from distributed import Scheduler

from hpcflow.base.errors import HpcflowError, InputError, SchedulerError
from hpcflow.base.paths import RunPaths
from hpcflow.compute.interface import address_of
from hpcflow.compute.jobs import Job, lifetime
from hpcflow.compute.ledger import Ledger, Life, idle, to_do
from hpcflow.compute.losses import Backoff, Losses
from hpcflow.compute.notes import Notes
from hpcflow.compute.site import Site
from hpcflow.compute.slurm import Queued, ask, ended_jobs, is_limit, job_id, queued_jobs

__all__ = ["Pool"]

log = logging.getLogger("hpcflow")

LOOK_S = 10.0  # between two looks at the queue; a worker that comes or goes brings the next one forward
PAUSE_S = 1.0  # between two looks at least
START_S = 120.0  # for the workers of a running job to come, or to come back
WATCH_S = 120.0  # without a worker, or a sign that one may come
GONE_S = 75.0  # without the address that workers connect to; networks that are mended are back by then
END_S = 10.0  # for a look to end
REPLACED = ("CANCELLED", "NODE_FAIL", "PREEMPTED", "REVOKED")  # ends for which neither the job nor its node is to blame
LIVED = ("COMPLETED", "TIMEOUT")
OUT_OF_MEMORY = "memory budget. Restarting"  # what Dask says of a worker that it ends


class Pool:
    """Worker jobs, which a thread looks after while the pool is open.

    Args:
        site: where they run.
        job: what to submit.
        most: largest number of them.
        ledger: what the scheduler sees of them.
        scheduler: the scheduler.
        run: the run.
    """

    def __init__(self, site: Site, job: Job, most: int, ledger: Ledger, scheduler: Scheduler, run: RunPaths) -> None:
        self._job, self._most, self._cores = job, most, site.worker.cores
        self._walltime_min = site.worker.walltime_minutes
        self._life_s, _ = lifetime(60 * self._walltime_min)
        self._ledger, self._scheduler = ledger, scheduler
        self._losses, self._refusals = Losses(most), Backoff()
        self._there: dict[str, Queued] = {}  # jobs that have not ended
        self._dismissed: set[str] = set()  # jobs that were told to end
        self._idle: set[str] = set()
        self._lone: dict[str, float] = {}  # since when a running job has had no worker
        self._finished, self._accepted, self._again = 0, False, 0.0
        self._fault: Exception | None = None
        self._hope, self._closing = time.monotonic(), False
        self._interface, self._reachable = str(site.driver.interface), time.monotonic()
        self._logs, self._notes = run.workers, Notes(job.stage, run.notes(job.stage))
        self._logs.mkdir(parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._go, daemon=True)

    def __enter__(self) -> "Pool":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closing = True
        self._ledger.changed.set()
        self._thread.join(END_S)
        if error is None:  # otherwise they say why, until the stage is begun again
            self._notes.clear()
        if self._there:
            with suppress(HpcflowError):  # they end by themselves once their scheduler is gone
                ask("scancel", *self._there, patience_s=0)

    def check(self) -> None:
        """Raise if no worker can be expected any more."""
        if self._fault:
            raise self._fault
        self._refuse_if_gone()
        if self._ledger.connected:
            self._hope = time.monotonic()
        if time.monotonic() - self._hope > WATCH_S:
            raise SchedulerError(
                f"{self._job.stage}: for {WATCH_S:.0f} s there has been no worker, and none could be submitted; "
                f"see {self._logs} and `squeue --me`, then run the same command again to resume"
            )

    def _refuse_if_gone(self) -> None:
        """Raise if the address that workers connect to has been gone from this node for too long."""
        with suppress(InputError):
            address_of(self._interface)
            self._reachable = time.monotonic()
        if time.monotonic() - self._reachable > GONE_S:
            raise SchedulerError(
                f"{self._job.stage}: for {GONE_S:.0f} s this node has had no address on its interface "
                f"{self._interface}, so that no worker reaches the driver; run the same command again once it has one"
            )

    def _go(self) -> None:
        while not self._closing and not self._fault:
            self._ledger.changed.clear()
            try:
                self._look()
                self._notes.drop("slurm")
            except SchedulerError:
                self._notes.say("slurm", "SLURM does not answer; until it does, lost workers are not replaced")
                if self._there:  # they need no controller to start, or to go on
                    self._hope = time.monotonic()
            except Exception as e:
                self._fault = e
            time.sleep(PAUSE_S)
            self._ledger.changed.wait(LOOK_S)

    def _look(self) -> None:
        """Compare the queue with what is needed, and submit or cancel the difference."""
        lost = [(job, why) for job in self._update() if (why := self._bad_end(job))]
        lost += [(job, f"no worker for {START_S:.0f} s") for job in self._silent()]
        if lost:
            pause = self._losses.pause()
            self._again = time.monotonic() + pause
            for job, why in lost:
                self._lost(job, why, pause)
        self._say_restarts()
        self._warn_of_long_partitions()
        needed = -(-to_do(self._scheduler) // self._cores) if self._ledger.begun else self._most
        more = min(needed, self._most) - len(self._there)
        if more > 0 and not self._fault and time.monotonic() >= self._again:
            self._submit(more)
        idle_now = {id for id in self._there if idle(self._scheduler, self._ledger.lives[id])}
        spare = sorted(idle_now & self._idle, key=lambda id: bool(self._ledger.lives[id].workers))
        self._dismiss(spare[: max(0, -more)])
        self._idle = idle_now
        if self._there:
            self._hope = time.monotonic()

    def _update(self) -> list[Queued]:
        """Update the jobs that are there, and return those that have ended since the last look."""
        queue = {job.id: job for job in queued_jobs([self._job.name], patience_s=0)}
        before, forgotten = self._there, ended_jobs([id for id in self._there if id not in queue])
        self._there = {id: job for id, job in queue.items() if job.active and id not in self._dismissed}
        if self._ledger.finished > self._finished:
            self._finished = self._ledger.finished
            self._losses.finished({queue[id].nodes for id in before if id in queue and self._ledger.lives[id].finished})
            self._notes.drop("lost")
        unknown = {id: replace(job, state="FORGOTTEN") for id, job in before.items()}
        return [(unknown | forgotten | queue)[id] for id in before if id not in self._there]

    def _bad_end(self, job: Queued) -> str:
        """Return how a job came to a bad end, nothing if it did not."""
        life = self._ledger.lives.pop(job.id, Life())
        self._lone.pop(job.id, None)
        self._notes.drop(f"job {job.id}")
        if job.state in REPLACED:
            log.info("%s: worker job %s on %s is lost (%s)", self._job.stage, job.id, job.nodes, job.end)
            return ""
        if job.state not in LIVED or life.age_s < self._life_s / 2:
            return job.end
        if not life.finished:
            self._losses.lives += 1
        if self._losses.fruitless:
            self._fault = InputError(
                f"{self._job.stage}: {self._losses.lives} worker jobs ended after their {self._life_s / 60:.1f} min "
                "without finishing a partition, which takes longer than that; raise worker.walltime_minutes "
                f"({self._walltime_min}) in the site file, then run the same command again"
            )
        return ""

    def _silent(self) -> Iterator[Queued]:
        """Cancel and yield the jobs that have run without a worker for too long."""
        now = time.monotonic()
        for id, job in list(self._there.items()):
            if job.state != "RUNNING" or self._ledger.lives[id].workers:
                self._lone.pop(id, None)
            elif now - self._lone.setdefault(id, now) > START_S:
                self._dismiss([id])
                yield job

    def _lost(self, job: Queued, why: str, pause_s: float) -> None:
        """Say why a job was lost, leave out its node if that keeps happening there, and give up if all are lost."""
        place, see = job.nodes or "no node", f"see {self._logs}/{job.name}.{job.id}.out"
        after = f"; the next is submitted in {pause_s:.0f} s" if pause_s else ""
        self._notes.say("lost", f"worker job {job.id} on {place} is lost ({why}); {see}{after}")
        if self._losses.lost(job.nodes):
            self._notes.say(f"node {place}", f"{place} is left out, as worker jobs keep ending there ({why})")
        if self._losses.hopeless and not self._ledger.connected:
            self._fault = InputError(
                f"{self._job.stage}: {self._losses.vain} worker jobs ended before a partition was finished, "
                f"the last on {place} ({why}); {see}, or run `hpcflow site check` to find out why"
            )

    def _submit(self, count: int) -> None:
        """Submit so many jobs, unless one is refused."""
        for _ in range(count):
            try:
                id = job_id(ask(*self._command(), patience_s=0))
            except InputError as e:
                self._refused(e)
                return
            self._there[id] = Queued(id, self._job.name, "PENDING")
            self._accepted, self._hope = True, time.monotonic()
        self._refusals = Backoff()
        self._notes.drop("refused")

    def _refused(self, refusal: InputError) -> None:
        """Wait after a refusal that may pass, give up after one that will not."""
        if not (self._accepted or is_limit(refusal)):
            self._fault = refusal
            return
        self._losses.excluded.clear()  # perhaps there is no other node
        pause = self._refusals.next()
        self._again, self._hope = time.monotonic() + pause, time.monotonic()
        self._notes.say(
            "refused", f"SLURM takes no more worker jobs for now ({refusal}); trying again in {pause:.0f} s"
        )

    def _command(self) -> list[str]:
        """Return the command that submits a job, with the nodes that it leaves out."""
        own = [part for part in self._job.command if part.startswith("--exclude=")]
        first, *rest = (part for part in self._job.command if part not in own)
        nodes = [*(part.partition("=")[2] for part in own), *sorted(self._losses.excluded)]
        return [first, *([f"--exclude={','.join(nodes)}"] if nodes else []), *rest]

    def _dismiss(self, ids: Iterable[str]) -> None:
        """Cancel jobs that are not needed, or of no use."""
        for id in ids:
            self._dismissed.add(id)
            del self._there[id]
            ask("scancel", id, patience_s=0)

    def _say_restarts(self) -> None:
        """Say which workers died within their jobs, or said nothing for too long, once for twice as many."""
        for id, job in self._there.items():
            lost, said = self._ledger.lives[id].lost, self._logs / f"{job.name}.{id}.out"
            if lost.bit_count() == 1:
                why = " for want of memory (worker.memory_gb)" if _lacked_memory(said) else ""
                again = f"workers of job {id} on {job.nodes} started again {lost} times{why}; see {said}"
                self._notes.say(f"job {id}", again)

    def _warn_of_long_partitions(self) -> None:
        longest_s = self._ledger.longest_s
        if longest_s > self._life_s / 2:
            self._notes.say(
                "long",
                f"a partition took {longest_s / 60:.1f} of the {self._life_s / 60:.1f} min that a worker lives, and is "
                f"done again if cut off; raise worker.walltime_minutes ({self._walltime_min}) in the site file",
            )


def _lacked_memory(log: Path) -> bool:
    """Return whether Dask says in a job's log that it ended workers which had too little memory."""
    return log.is_file() and OUT_OF_MEMORY in log.read_text(errors="replace")
