"""A run at a glance: the table and the sentences of `hpcflow status`, once or as they change."""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hpcflow.stages.look.status import StageStatus, status
from hpcflow.stages.run import Run
from hpcflow.stages.slurm.queue import JobStatus, job_status

__all__ = ["Overview", "overview", "show_status", "watch"]

EVERY_S = 3.0  # between two looks at a run that is watched
GRACE_S = 30.0  # between the end of a stage and the beginning of the next
REASONS = 5  # failed partitions of a stage of which the reason is shown


@dataclass(frozen=True)
class Overview:
    """What is known of a run.

    Args:
        run: the run.
        stages: its stages; none if only its jobs are known.
        jobs: its SLURM jobs.
        workers: a line about its worker jobs.
    """

    run: Run
    stages: Sequence[StageStatus]
    jobs: Sequence[JobStatus]
    workers: str

    @property
    def running(self) -> bool:
        """Whether a driver is at work, or a job is or waits for its turn."""
        return any(job.active for job in self.jobs) or any(stage.running for stage in self.stages)

    @property
    def finished(self) -> bool:
        """Whether every stage is done."""
        return bool(self.stages) and all(stage.finished for stage in self.stages)

    def table(self) -> Table:
        """Return a table with a row per stage."""
        table = Table("stage", "done", "of", "", "per second", "left", "failed", title=str(self.run.path))
        for s in self.stages:
            rate = f"{s.rate:,.{0 if s.rate >= 10 else 2}f}" if s.rate else ""
            left = str(timedelta(seconds=round(s.left_s))) if s.left_s is not None else ""
            total = f"{s.total:,}" if s.total else "-"
            table.add_row(s.stage, f"{s.done:,}", total, s.unit, rate, left, str(len(s.failed) or ""))
        return table

    def lines(self) -> list[str]:
        """Return what else there is to say, and what to do next."""
        return [*self._of_stages(), *self._of_jobs(), *([self._next()] if self.stages else [])]

    def _of_stages(self) -> Iterator[str]:
        at_slurm = {job.stage for job in self.jobs if job.active}
        for s in self.stages:
            if s.running and s.stage not in at_slurm:
                yield f"{s.stage}: running as {s.driver}; {s.says}"
            elif s.driver and not (s.running or s.finished):
                yield f"{s.stage}: {s.driver}, was killed"
            for partition, reason in list(s.failed.items())[:REASONS]:
                yield f"{s.stage} partition {partition}: {reason}"
            for reason, count in s.lost.items():
                yield f"{s.stage}: {count:,} rows could not be simulated: {reason}"
            if s.waiting:
                how = "give one in infer.distance_mpc and run hpcflow infer --append"
                yield f"{s.stage}: {s.waiting:,} clusters have no posterior because they wait for a distance: {how}"

    def _of_jobs(self) -> Iterator[str]:
        for job in self.jobs:
            yield f"{job.stage}: job {job.id} is {job.says}"
        if self.workers:
            yield f"workers: {self.workers}"

    def _next(self) -> str:
        if any(job.active for job in self.jobs):
            return f"next: wait, or hpcflow cancel {self.run.path}"
        if self.running:
            return "next: wait"
        todo = next((s.stage for s in self.stages if not s.finished), None)
        return f"next: hpcflow {todo} CONFIG --run {self.run.path}" if todo else "everything is done"


def overview(run: Run) -> Overview:
    """Return what is known of a run, or only of its jobs if none of them has begun.

    Raises:
        InputError: if the folder is not a run, and no job was submitted for it.
    """
    jobs, workers = job_status(run)
    return Overview(run, [] if jobs and not run.begun else status(run), jobs, workers)


def show_status(seen: Overview, console: Console) -> None:
    """Print an overview."""
    if seen.stages:
        console.print(seen.table())
    for line in seen.lines():
        console.out(line, highlight=False)


def watch(run: Run, console: Console) -> None:
    """Show a run until it is over or Ctrl-C is pressed: in place on a terminal, elsewhere whenever it has changed.

    Raises:
        InputError: as for `overview`.
    """
    with suppress(KeyboardInterrupt):
        if console.is_terminal:
            with Live(console=console, auto_refresh=False) as live:
                for seen in _looks(run):
                    lines = [Text(line, overflow="fold") for line in seen.lines()]
                    live.update(Group(*([seen.table()] if seen.stages else []), *lines), refresh=True)
            return
        before = None
        for seen in _looks(run):
            now = [(s.stage, s.done, s.running, len(s.failed)) for s in seen.stages], seen.jobs, seen.workers
            if now != before:
                show_status(seen, console)
            before = now


def _looks(run: Run) -> Iterator[Overview]:
    """Look at a run every now and then, until everything is done, nothing has begun, or all that ran has ended."""
    seen = overview(run)
    yield seen
    last = time.monotonic() if seen.running else float("-inf")
    while not seen.finished and time.monotonic() - last < GRACE_S:
        time.sleep(EVERY_S)
        seen = overview(run)
        yield seen
        if seen.running:
            last = time.monotonic()
