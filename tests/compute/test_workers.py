"""Workers of a site, started here by their own script: nothing but their own processes can talk to them."""

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from distributed import Client

from hpcflow.compute.jobs import Place, worker_files, workers_command
from hpcflow.compute.ledger import Ledger
from hpcflow.compute.scheduler import scheduler_for
from hpcflow.compute.site import Resources, Site
from hpcflow.compute.tls import private_folder
from listening import places, refuse_http

ROOT = Path(__file__).parents[2]
SITE = Site("here", worker=Resources(interface="lo", memory_gb=0.6))


def test_no_dashboard_can_be_had_and_strangers_are_refused(tmp_path: Path) -> None:
    with (
        private_folder(tmp_path, "simulate") as private,
        scheduler_for("lo", private, Ledger()) as (scheduler, client),
    ):
        for path, text in worker_files(SITE, Place(tmp_path), private).items():
            path.write_text(text)
        environment = os.environ | {"PYTHONPATH": str(ROOT), "SLURM_JOB_ID": "1"}
        command = ["bash", *workers_command(SITE, private, scheduler.address)]
        job = subprocess.Popen(command, env=environment, start_new_session=True)
        try:
            client.wait_for_workers(1, timeout=60)
            (address,) = client.scheduler_info()["workers"]
            assert address.startswith("tls://127.0.0.1:")
            assert scheduler.address.startswith("tls://127.0.0.1:")
            listening = set(places())
            assert len(listening) >= 3  # of the scheduler, the worker and its nanny
            for place in listening:
                refuse_http(*place)
            for party in (address, scheduler.address):
                with pytest.raises((OSError, TypeError)):  # Dask's words for another protocol
                    Client(party.replace("tls:", "tcp:"), timeout=2, set_as_default=False)
        finally:
            client.retire_workers()
            for process in psutil.Process(job.pid).children(recursive=True) if psutil.pid_exists(job.pid) else []:
                process.kill()
            job.send_signal(signal.SIGKILL)
            job.wait()
