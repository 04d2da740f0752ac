"""What the loop needs to know of workers, and how Dask treats them wherever they are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dask
from distributed import Client, Security

__all__ = ["DEATHS", "ENVIRONMENT", "SETTINGS", "Workers", "private_settings"]

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
        client: of their scheduler; not Dask's default one, so that lazy arrays are read where they are asked for.
        count: how many there are at most.
        name: what to call them in a log.
        check: raises where there will be none any more.
    """

    client: Client
    count: int
    name: str
    check: Callable[[], None] = lambda: None


def private_settings(security: Security) -> dict[str, Any]:
    """Return the configuration that Dask's processes at a site read from a file, so that no command line has it."""
    # Workers keep no results, so there is nothing to spill; one that has too little memory begins anew.
    memory = {"target": False, "spill": False, "pause": False, "terminate": 0.95}
    settings: dict[str, Any] = {}
    for key, value in SETTINGS.items():
        dask.config.set({key: value}, config=settings)
    roles = {role: security.get_tls_config_for_role(role) for role in ("client", "scheduler", "worker")}
    tls = {"ca-file": roles["worker"]["ca_file"]}
    tls |= {role: {"cert": found["cert"], "key": found["key"]} for role, found in roles.items()}
    settings["distributed"] |= {
        "comm": {"require-encryption": True, "tls": tls},
        "worker": {"memory": memory},
        "nanny": {"pre-spawn-environ": ENVIRONMENT},
    }
    return settings
