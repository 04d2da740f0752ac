"""Workers as the loop sees them, and Dask's settings for them wherever they run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import dask
from distributed import Client, Security

__all__ = ["DEATHS", "ENVIRONMENT", "SETTINGS", "Workers", "private_settings"]

DEATHS = 3  # number of workers lost with a partition before it is suspected, and again before it is blamed

# With Dask's default, malloc returns its pages after every call, and the next call faults them in again.
ENVIRONMENT = {
    "OMP_NUM_THREADS": 1,
    "MKL_NUM_THREADS": 1,
    "OPENBLAS_NUM_THREADS": 1,
    "MALLOC_TRIM_THRESHOLD_": 4_000_000_000,
    "MALLOC_MMAP_THRESHOLD_": 4_000_000_000,
}
SETTINGS: dict[str, Any] = {
    "distributed.scheduler.allowed-failures": DEATHS - 1,
    "distributed.scheduler.worker-saturation": 1.0,  # partitions waiting on a worker would be blamed for its death
    "distributed.scheduler.http.routes": [],  # no dashboard, and nothing else to ask by HTTP
    "distributed.worker.http.routes": [],
    "distributed.comm.timeouts.tcp": "2 minutes",  # a driver of a thousand workers may be busy for longer than 30 s
    "distributed.admin.large-graph-warning-threshold": "1 MB",
}


@dataclass(frozen=True)
class Workers:
    """Workers that come and go, accessible through one client.

    Args:
        client: client of their scheduler; it is not Dask's default, so that lazy arrays are read in the calling
            process.
        count: largest number of workers.
        name: their name in log lines.
        check: function that raises if no more workers can be expected.
        running: function that returns when the partitions that they have now began, by `time.monotonic`.
    """

    client: Client
    count: int
    name: str
    check: Callable[[], None] = lambda: None
    running: Callable[[], Sequence[float]] = tuple


def private_settings(security: Security) -> dict[str, Any]:
    """Return the configuration that Dask's processes at a site read from a file, which keeps it off command lines."""
    # Workers keep no results, so there is nothing to spill; one that runs out of memory is restarted.
    memory = {"target": False, "spill": False, "pause": False, "terminate": 0.95}
    settings: dict[str, Any] = {}
    for key, value in SETTINGS.items():
        dask.config.set({key: value}, config=settings)
    roles = {role: security.get_tls_config_for_role(role) for role in ("client", "scheduler", "worker")}
    tls = {"ca-file": roles["worker"]["ca_file"]}
    tls |= {role: {"cert": found["cert"], "key": found["key"]} for role, found in roles.items()}
    ours = {
        "comm": {"require-encryption": True, "tls": tls},
        "worker": {"memory": memory},
        "nanny": {"pre-spawn-environ": ENVIRONMENT},
    }
    return dask.config.merge(settings, {"distributed": ours})
