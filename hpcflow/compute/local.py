"""Worker processes on this machine, which listen on loopback only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import dask
from distributed import Client, LocalCluster

from hpcflow.compute.workers import ENVIRONMENT, SETTINGS, Workers

__all__ = ["default_workers", "local_workers"]


def default_workers() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def local_workers(count: int) -> Iterator[Workers]:
    """Start single-threaded worker processes on this machine, yield them, and end them afterwards."""
    settings = {
        **SETTINGS,
        "distributed.nanny.pre-spawn-environ": ENVIRONMENT,
        "distributed.worker.memory.terminate": False,
        # Nannies restart workers by themselves; a worker declared lost meanwhile would never come back.
        "distributed.deploy.lost-worker-timeout": "1000 days",
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            silence_logs="CRITICAL",  # the exception of a task is reported once, in one line, as its reason
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield Workers(client, count, f"{count} workers")
