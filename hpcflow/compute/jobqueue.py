"""Workers as SLURM jobs, submitted while there is work (the only file that imports dask_jobqueue)."""

import asyncio
import logging
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dask
from distributed import Client, Security, Status
from tornado.ioloop import PeriodicCallback

from hpcflow.base.errors import HpcflowError, InputError
from hpcflow.base.paths import RunPaths
from hpcflow.compute.jobs import options, worker_job_name
from hpcflow.compute.site import Site
from hpcflow.compute.slurm import ask, cancel_workers, queued_jobs
from hpcflow.compute.tls import private_folder, run_certificate
from hpcflow.compute.workers import SETTINGS, Workers

_before = signal.getsignal(signal.SIGINT)
from dask_jobqueue.slurm import SLURMCluster, SLURMJob, SLURMRunner  # noqa: E402

signal.signal(signal.SIGINT, _before)  # the import made Ctrl-C end the process silently

__all__ = ["Job", "SLURMRunner", "job_settings", "job_workers", "lifetime"]

log = logging.getLogger("hpcflow")
LOOK_S = 10.0  # between two checks of jobs without a worker
LONGEST_S = 120.0  # between two attempts to submit jobs that SLURM has refused


@contextmanager
def job_workers(site: Site, most: int, run: Path, stage: str) -> Iterator[Workers]:
    """Submit worker jobs at a site, and yield their workers; lost ones are replaced while there is work.

    Workers left behind by an earlier driver of this stage are ended first, because they may still be writing.

    Raises:
        InputError: if SLURM refuses.
        SchedulerError: if SLURM does not answer.
    """
    if left := cancel_workers(site, run, stage):
        log.info("%s: ended %d worker jobs of an earlier driver", stage, left)
    jobs = min(site.workers, -(-most // site.worker.cores))
    count = jobs * site.worker.cores
    with private_folder(run, stage) as private:
        security = run_certificate(private)
        asked = job_settings(site, run, stage, private)
        with (
            dask.config.set({**SETTINGS, "distributed.deploy.lost-worker-timeout": "5s"}),
            _Cluster(**asked, security=security) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            # A job with several workers is closed only when all of them are idle.
            together = {"worker_key": _job_of} if site.worker.cores > 1 else {}
            # As many workers as tasks, however short these are.
            cluster.adapt(minimum=0, maximum=count, target_duration="1ms", wait_count=5, **together)
            yield Workers(client, count, f"up to {count} workers of {site.name}", cluster.check)


def lifetime(walltime_s: float) -> tuple[int, int]:
    """Return the lifetime of a worker and its random spread, so that not all end at once, in seconds.

    Unfinished work is repeated elsewhere, as after the time limit, but does not count as a death of the worker.

    >>> lifetime(24 * 3600), lifetime(600)
    ((85980, 300), (480, 60))
    """
    margin, stagger = min(120, walltime_s / 10), min(300, walltime_s / 10)
    return int(walltime_s - margin - stagger), int(stagger)


def job_settings(site: Site, run: Path, stage: str, private: Path) -> dict[str, Any]:
    """Return the arguments of SLURMCluster."""
    each = site.worker
    logs = RunPaths(run.resolve()).workers
    logs.mkdir(parents=True, exist_ok=True)
    least, stagger = lifetime(60 * each.walltime_minutes)
    output = f"--output={str(logs).replace('%', '%%')}/%x.%j.out"
    return {
        "job_name": worker_job_name(site, run, stage),
        "job_directives_skip": ["-t "],
        "job_extra_directives": [shlex.quote(o) for o in ("--no-requeue", output, *options(each))],
        "job_mem": f"{each.memory_mb}M",
        "job_script_prologue": [
            *(f"module load {shlex.quote(module)}" for module in site.modules),
            *site.activate,
            f"export DASK_CONFIG={shlex.quote(str(private))}",
        ],
        "cores": each.cores,
        "processes": each.cores,
        "memory": f"{each.memory_mb}MiB",
        "python": shlex.quote(site.python or sys.executable),
        "interface": site.interface,
        "local_directory": shlex.quote(site.scratch),
        "death_timeout": 60,
        "worker_extra_args": [
            *("--dashboard-address", "127.0.0.1:0"),
            *("--lifetime", f"{least}s", "--lifetime-stagger", f"{stagger}s"),
        ],
        "scheduler_options": {"dashboard_address": "127.0.0.1:0"},
        "protocol": "tls://",
        "name": "hpcflow",
        "silence_logs": "CRITICAL",
    }


class Job(SLURMJob):
    """A worker job, which remembers SLURM's reason if it was refused."""

    refusal: HpcflowError | None = None

    async def start(self) -> None:
        """Submit the job."""
        try:
            await super().start()
        except HpcflowError as e:
            self.refusal, self.status = e, Status.running

    async def close(self) -> None:
        """Cancel the job."""
        await super().close()
        self.status = Status.closed

    async def _submit_job(self, script_filename: str) -> str:
        return await asyncio.to_thread(ask, "sbatch", script_filename, patience_s=0)

    @classmethod
    async def _close_job(cls, job_id: str | None, cancel_command: str) -> None:
        if job_id:
            with suppress(HpcflowError):  # the job ends by itself when its scheduler is gone
                await asyncio.to_thread(ask, "scancel", job_id, patience_s=0)


class _Cluster(SLURMCluster):
    """Worker jobs; Dask is made to forget those that never started a worker, so that it submits new ones."""

    job_cls = Job

    def __init__(self, **asked: Any) -> None:
        self._fault: HpcflowError | None = None
        self._born, self._unborn = False, 0
        self._wait_s, self._again = LOOK_S, 0.0
        super().__init__(**asked)
        self.periodic_callbacks["look"] = PeriodicCallback(self._look, 1000 * LOOK_S)
        assert self.loop  # the loop runs by now
        self.loop.add_callback(self.periodic_callbacks["look"].start)

    def check(self) -> None:
        """Raise if no worker can be expected any more."""
        if self._fault:
            raise self._fault

    def _get_worker_security(self, security: Security | None) -> None:
        """Keep certificates off the command line; workers read them from their configuration."""

    def _update_worker_status(self, op: str, msg: Any) -> None:
        if op == "add":
            self._born, self._unborn = True, 0
        super()._update_worker_status(op, msg)

    async def _look(self) -> None:
        """Forget jobs that were refused or ended without a worker, so that `adapt` replaces them."""
        here = {worker["name"] for worker in self.scheduler_info["workers"].values()}
        lone = {name: job for name, job in self.workers.items() if not here & self._workers_of(name)}
        refused = {name: job for name, job in lone.items() if job.refusal}
        self._retry(refused)
        waiting = {name: job for name, job in lone.items() if job.job_id}
        if not waiting:
            return
        try:
            queue = await asyncio.to_thread(queued_jobs, [self.job_name], 0)
        except HpcflowError:
            return
        there = {job.id for job in queue if job.active}
        gone = [name for name, job in waiting.items() if job.job_id not in there]
        self._unborn += len(gone)
        self._forget(gone)
        if self._unborn >= max(6, 2 * len(self.worker_spec)):
            self._fault = InputError(
                f"{self._unborn} worker jobs ended before their workers had started; see their logs in the run folder, "
                "or run `hpcflow site check` to find out why"
            )

    def _retry(self, refused: dict[str, Job]) -> None:
        """Submit refused jobs again at growing intervals, unless the site has never accepted any."""
        if not refused:
            self._wait_s = LOOK_S
        elif time.monotonic() >= self._again:
            refusal = next(job.refusal for job in refused.values() if job.refusal)
            log.warning("could not submit %d worker jobs (%s); trying again", len(refused), refusal)
            if isinstance(refusal, InputError) and not self._born and len(refused) == len(self.workers):
                self._fault = refusal
            self._forget(refused)
            self._again, self._wait_s = time.monotonic() + self._wait_s, min(2 * self._wait_s, LONGEST_S)

    def _forget(self, names: Any) -> None:
        for name in names:
            if job := self.workers.pop(name, None):
                job.status = Status.closed

    def _workers_of(self, job: str) -> set[str]:
        """Return the names of the workers of a job."""
        return {f"{job}{suffix}" for suffix in self.worker_spec.get(job, {}).get("group", [""])}


def _job_of(worker: Any) -> str:
    return worker.name.rpartition("-")[0]
