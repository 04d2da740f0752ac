"""Worker jobs on a real SLURM."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import Client

from hpcflow.base.errors import InputError
from hpcflow.base.partitions import Partition, partitions
from hpcflow.compute.cluster import workers_at
from hpcflow.compute.dispatch import map_partitions
from hpcflow.compute.jobqueue import job_workers
from hpcflow.compute.jobs import worker_job_name
from hpcflow.compute.site import Resources, Site
from hpcflow.compute.slurm import ask, queued_jobs

ROOT = Path(__file__).parents[2]
ANY = Resources("cpu", walltime_minutes=10, memory_gb=0.6, interface="lo")
SITE = Site("test", driver=ANY, worker=ANY, workers=4)


def active(run: Path) -> list[str]:
    return [job.id for job in queued_jobs([worker_job_name(SITE, run, "simulate")]) if job.active]


def touch(folder: str, partition: Partition) -> None:
    """Take a moment, and write the id of the job to a file; kill the worker if a file says so."""
    if (Path(folder) / f"killer-{partition.index}").exists():
        os._exit(9)
    time.sleep(0.3)
    (Path(folder) / f"done-{partition.index}").write_text(os.environ["SLURM_JOB_ID"])


def test_a_site_without_an_interface_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names no interface, and workers would listen on all"):
        workers_at(replace(SITE, worker=replace(ANY, interface=None)), 4, tmp_path, "simulate")


def test_a_driver_without_the_interface_says_so(fake_slurm: Any, tmp_path: Path) -> None:
    site = replace(SITE, driver=replace(ANY, interface="ib7"))
    with (
        pytest.raises(InputError, match="no address on an interface ib7; it has "),
        job_workers(site, 4, tmp_path, "x"),
    ):
        pass
    assert not list(tmp_path.glob(".x-workers*"))


@pytest.mark.slurm
def test_workers_start_listen_on_loopback_only_and_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(Path(__file__).parent)]))
    with job_workers(SITE, 40, tmp_path, "simulate") as workers:
        assert map_partitions(workers, touch, str(tmp_path), partitions(40, 1), lambda _: None) == {}
        ids = set(active(tmp_path))
        here = [p for p in psutil.process_iter() if p.pid == os.getpid() or job_of(p) in ids]
        listening = [c.laddr.ip for p in here for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        assert len(listening) > 2 * len(ids) > 0
        assert set(listening) == {"127.0.0.1"}, listening
        assert not any("PRIVATE" in " ".join(p.cmdline()) for p in here)
        with pytest.raises((OSError, TypeError)):
            Client(workers.client.scheduler_info()["address"], timeout=2, set_as_default=False)
    end = time.monotonic() + 30
    while active(tmp_path) and time.monotonic() < end:  # they have been cancelled and are ending
        time.sleep(0.2)
    assert active(tmp_path) == []
    assert len({(tmp_path / f"done-{i}").read_text() for i in range(40)}) == 4
    assert not list(tmp_path.glob(".simulate-workers*"))


def job_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("SLURM_JOB_ID")
    except psutil.Error:
        return None


@pytest.mark.slurm
def test_workers_of_a_dead_driver_end_before_new_work_starts(tmp_path: Path) -> None:
    name = worker_job_name(SITE, tmp_path, "simulate")
    ask("sbatch", f"--job-name={name}", "--mem=50", "--output=/dev/null", "--wrap=trap '' TERM; sleep 60; sleep 60")
    (orphan,) = active(tmp_path)
    with job_workers(SITE, 1, tmp_path, "simulate"):
        assert orphan not in active(tmp_path)


@pytest.mark.slurm
@pytest.mark.slow
def test_only_a_partition_that_kills_its_workers_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(Path(__file__).parent)]))
    (tmp_path / "killer-2").touch()
    with job_workers(SITE, 12, tmp_path, "simulate") as workers:
        failed = map_partitions(workers, touch, str(tmp_path), partitions(12, 1), lambda _: None)
    assert [partition.index for partition in failed] == [2]
    assert len(list(tmp_path.glob("done-*"))) == 11
