"""Dask workers: here, processes of this machine that listen on loopback only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import dask
from distributed import Client, LocalCluster

__all__ = ["default_workers", "local_client"]

# Dask's default has malloc give its pages back after every call, to be faulted in again by the next one.
ENVIRONMENT = {
    "OMP_NUM_THREADS": 1,
    "MKL_NUM_THREADS": 1,
    "OPENBLAS_NUM_THREADS": 1,
    "MALLOC_TRIM_THRESHOLD_": 4_000_000_000,
    "MALLOC_MMAP_THRESHOLD_": 4_000_000_000,
}


def default_workers() -> int:
    """Return the number of processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def local_client(workers: int) -> Iterator[Client]:
    """Give a client of one-thread worker processes on this machine, and end them afterwards."""
    settings = {
        "distributed.nanny.pre-spawn-environ": ENVIRONMENT,
        "distributed.worker.memory.terminate": False,
        "distributed.admin.large-graph-warning-threshold": "1 MB",
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            silence_logs="CRITICAL",  # what a task raised is kept as its reason, once and in one line
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client
