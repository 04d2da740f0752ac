"""Workers in the driver's own allocation, for sites where jobs cannot submit jobs: each is a task of `srun`."""

import logging
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hpcflow.base.atomic import write_whole
from hpcflow.base.errors import InputError, SchedulerError
from hpcflow.base.paths import RunPaths
from hpcflow.compute.jobs import Place, worker_files, workers_command
from hpcflow.compute.ledger import Ledger
from hpcflow.compute.scheduler import scheduler_for
from hpcflow.compute.site import Site
from hpcflow.compute.tls import private_folder
from hpcflow.compute.workers import Workers

__all__ = ["runner_workers"]

log = logging.getLogger("hpcflow")

START_S = 60.0  # for workers to come; those that are missing after that are started again
VAIN = 3  # starts without a worker after which none is expected
END_S = 20.0


@contextmanager
def runner_workers(site: Site, run: Path, stage: str) -> Iterator[Workers]:
    """Start a worker on every task of this allocation but two, for the driver and the scheduler, and yield them.

    Raises:
        InputError: if this is not an allocation of at least three tasks.
    """
    count = int(os.environ.get("SLURM_NTASKS", 0)) - 2
    if count < 1:
        raise InputError(
            f"the workers of {site.name} need an allocation of at least three tasks, and this is not one; "
            "add --submit, or call salloc first"
        )
    ledger = Ledger()
    with (
        private_folder(run, stage) as private,
        scheduler_for(str(site.worker.interface), private, ledger) as (scheduler, client),
    ):
        for path, text in worker_files(site, Place(run), private).items():
            write_whole(path, text)
        command = workers_command(site, private, scheduler.address)
        steps = _Steps(
            [*site.worker.srun, "bash", *command],
            count,
            ledger,
            RunPaths(run).workers / f"{stage}.{os.environ['SLURM_JOB_ID']}.out",
        )
        try:
            name = f"{count} workers in this allocation of {site.name}"
            yield Workers(client, count, name, steps.check, ledger.running)
            client.retire_workers()
        finally:
            steps.close()


class _Steps:
    """Steps of this job, whose tasks are workers.

    Args:
        command: further options of srun, and what a task runs.
        count: number of workers.
        ledger: what the scheduler sees of them.
        log: file of all that they say.
    """

    def __init__(self, command: list[str], count: int, ledger: Ledger, log: Path) -> None:
        self._command, self._count, self._ledger, self._log = command, count, ledger, log
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._steps: list[subprocess.Popen[bytes]] = []
        self._vain = 0
        self._start(count)

    def check(self) -> None:
        """Start workers in place of those that are missing, and raise if none can be expected any more."""
        missing = self._count - self._ledger.connected
        if missing <= 0:
            self._since = time.monotonic()
        elif time.monotonic() - self._since > START_S:
            self._vain = 0 if self._ledger.connected else self._vain + 1
            if self._vain == VAIN:
                raise SchedulerError(
                    f"no worker has come in {VAIN * START_S:.0f} s; see {self._log}, then run the same command again"
                )
            log.warning("%d of %d workers are missing and started again; see %s", missing, self._count, self._log)
            self._start(missing)

    def close(self) -> None:
        """End all steps."""
        for step in self._steps:
            try:
                step.wait(END_S)
            except subprocess.TimeoutExpired:
                step.terminate()

    def _start(self, tasks: int) -> None:
        # Tasks of a step that goes on keep their processors when they die, so their successors share these.
        step = ["srun", "--export=ALL", "--overlap", f"--ntasks={tasks}", "--cpus-per-task=1", "--kill-on-bad-exit=0"]
        with self._log.open("ab") as log:
            self._steps.append(subprocess.Popen([*step, *self._command], stdout=log, stderr=log))
        self._since = time.monotonic()
