"""The scheduler of a driver at a site: workers connect to it by TLS, the driver from within its own process."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dask
from distributed import Client, Scheduler, SpecCluster

from hpcflow.compute.interface import address_of
from hpcflow.compute.ledger import Ledger
from hpcflow.compute.tls import run_certificate
from hpcflow.compute.workers import SETTINGS

__all__ = ["scheduler_for"]

TTL = "1 minute"  # after which a worker that says nothing is started again; Dask looks as often, so in two at most


@contextmanager
def scheduler_for(interface: str, private: Path, ledger: Ledger) -> Iterator[tuple[Scheduler, Client]]:
    """Start a scheduler, yield it and its client, and end it afterwards.

    Args:
        interface: the network interface that it listens on.
        private: folder for its certificate and for the workers' configuration.
        ledger: what it tells of its workers.

    Raises:
        InputError: if this machine has no such interface.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # for good: what its parts say as they end is no news
    security = run_certificate(private)
    options = {
        "host": [address_of(interface), None],
        # The driver reaches it within the process, so that no fault of the network comes between them.
        "protocol": ["tls://", "inproc://"],
        "security": security,
        "dashboard": False,
        "dashboard_address": "127.0.0.1:0",  # where nothing is to be had, instead of at a fixed port
        "plugins": [ledger],
    }
    with (
        dask.config.set({**SETTINGS, "distributed.scheduler.worker-ttl": TTL}),
        SpecCluster({}, {"cls": Scheduler, "options": options}, security=security, silence_logs="CRITICAL") as cluster,
        Client(cluster.scheduler.listeners[1].contact_address, security=security, set_as_default=False) as client,
    ):
        yield cluster.scheduler, client
