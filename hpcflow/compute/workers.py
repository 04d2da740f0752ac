"""What the loop needs to know of workers, and how Dask treats them wherever they are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from distributed import Client

__all__ = ["DEATHS", "ENVIRONMENT", "SETTINGS", "Workers"]

DEATHS = 3  # of workers that a partition may be with before it is a suspect, and again before it is to blame

# Dask's default has malloc give its pages back after every call, to be faulted in again by the next one.
ENVIRONMENT = {
    "OMP_NUM_THREADS": 1,
    "MKL_NUM_THREADS": 1,
    "OPENBLAS_NUM_THREADS": 1,
    "MALLOC_TRIM_THRESHOLD_": 4_000_000_000,
    "MALLOC_MMAP_THRESHOLD_": 4_000_000_000,
}
SETTINGS: dict[str, Any] = {
    "distributed.scheduler.allowed-failures": DEATHS - 1,
    "distributed.scheduler.worker-saturation": 1.0,  # nothing waits on a worker, to be blamed for its death
    "distributed.admin.large-graph-warning-threshold": "1 MB",
}


@dataclass(frozen=True)
class Workers:
    """Workers that come and go, behind one client.

    Args:
        client: of their scheduler.
        count: how many there are at most.
        name: what to call them in a log.
        check: raises where there will be none any more.
    """

    client: Client
    count: int
    name: str
    check: Callable[[], None] = lambda: None
