"""Worker processes on this machine, which listen on loopback only, to those who have the run's certificate."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path

import dask
from distributed import Client, LocalCluster

from hpcflow.compute.ledger import Ledger
from hpcflow.compute.tls import private_folder, run_certificate
from hpcflow.compute.workers import ENVIRONMENT, SETTINGS, Workers

__all__ = ["default_workers", "local_workers"]


def default_workers() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def local_workers(count: int, run: Path, stage: str) -> Iterator[Workers]:
    """Start single-threaded worker processes on this machine, yield them, and end them afterwards.

    Args:
        count: number of processes.
        run: the run folder, which holds their certificate meanwhile.
        stage: name of the stage.

    Raises:
        InputError: if another driver of this stage is running.
    """
    settings = {
        **SETTINGS,
        "distributed.nanny.pre-spawn-environ": ENVIRONMENT,
        "distributed.worker.memory.terminate": False,
        # Nannies restart workers by themselves; a worker declared lost meanwhile would never come back.
        "distributed.deploy.lost-worker-timeout": "1000 days",
    }
    ledger = Ledger()
    with private_folder(run, stage) as private, dask.config.set(settings):
        with _without_ctrl_c():
            cluster = LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                host="127.0.0.1",
                protocol="tls://",
                security=run_certificate(private),
                scheduler_kwargs={"dashboard": False, "plugins": [ledger]},
                dashboard_address="127.0.0.1:0",  # where nothing is to be had, instead of at a fixed port
                silence_logs="CRITICAL",  # the exception of a task is reported once, in one line, as its reason
            )
        with cluster, Client(cluster, set_as_default=False) as client:
            yield Workers(client, count, f"{count} workers", running=ledger.running)


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Have all threads and processes that are started meanwhile leave Ctrl-C to the driver, which ends them."""
    resource_tracker.ensure_running()  # before, because its start ends with Ctrl-C unblocked
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
