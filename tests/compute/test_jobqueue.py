"""Worker jobs on a real SLURM."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from distributed import Client

from hpcflow.base.errors import InputError
from hpcflow.base.partitions import Partition, partitions
from hpcflow.compute import jobqueue
from hpcflow.compute.cluster import workers_at
from hpcflow.compute.dispatch import map_partitions
from hpcflow.compute.jobqueue import job_workers, lifetime
from hpcflow.compute.jobs import worker_job_name
from hpcflow.compute.site import Resources, Site
from hpcflow.compute.slurm import ask, queued_jobs

ROOT = Path(__file__).parents[2]
SITE = Site("test", worker=Resources("cpu", walltime_minutes=10, memory_gb=0.6), workers=4, interface="lo")


def active(run: Path) -> list[str]:
    return [job.id for job in queued_jobs([worker_job_name(SITE, run, "simulate")]) if job.active]


def touch(folder: str, partition: Partition) -> None:
    """Take a moment, and write the id of the job to a file; kill the worker if a file says so."""
    if (Path(folder) / f"killer-{partition.index}").exists():
        os._exit(9)
    time.sleep(0.3)
    (Path(folder) / f"done-{partition.index}").write_text(os.environ["SLURM_JOB_ID"])


@pytest.mark.parametrize("walltime", [60, 600, 3600, 86_400])
def test_workers_end_before_their_jobs(walltime: int) -> None:
    middle, stagger = lifetime(walltime)
    assert 0 < walltime / 2 < middle - stagger <= middle + stagger <= walltime - min(60, walltime / 10)


def test_a_site_without_an_interface_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names no interface, and workers would listen on all"):
        workers_at(replace(SITE, interface=None), 4, tmp_path, "simulate")


def test_arguments_for_slurm_are_quoted_and_hold_no_secret(tmp_path: Path, need: Callable[[str], str]) -> None:
    run = tmp_path / "a run; touch x"
    site = replace(SITE, modules=("python; touch x",), python="/opt/my python", scratch="/tmp/$(touch x)")
    asked = jobqueue.job_settings(site, run, "simulate", run / "private")
    for key in ("name", "scheduler_options", "silence_logs"):
        del asked[key]
    script = jobqueue.Job("tls://127.0.0.1:1", name="hpcflow-0", **asked).job_script()
    assert "tls-key" not in script
    assert "#SBATCH --no-requeue" in script
    (tmp_path / "script").write_text(script)
    done = subprocess.run([need("bash"), "script"], cwd=tmp_path, capture_output=True, text=True)
    assert "/opt/my python" in done.stderr
    assert not (tmp_path / "x").exists()


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
            Client(workers.client.scheduler.address, timeout=2, set_as_default=False)
    end = time.monotonic() + 30
    while active(tmp_path) and time.monotonic() < end:  # they have been cancelled and are ending
        time.sleep(0.2)
    assert active(tmp_path) == []
    assert len({(tmp_path / f"done-{i}").read_text() for i in range(40)}) == 4
    assert not (tmp_path / ".simulate-workers").exists()


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
def test_a_refusal_quotes_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobqueue, "LOOK_S", 1.0)
    site = replace(SITE, worker=Resources("nowhere"))
    with (
        pytest.raises(InputError, match=r"sbatch refused: .*invalid partition specified: nowhere"),
        job_workers(site, 4, tmp_path, "simulate") as workers,
    ):
        map_partitions(workers, touch, str(tmp_path), partitions(4, 1), lambda _: None)


@pytest.mark.slurm
def test_jobs_that_end_without_a_worker_are_not_submitted_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobqueue, "LOOK_S", 1.0)
    site = replace(SITE, activate=("exit 1",))
    with (
        pytest.raises(InputError, match="worker jobs ended before their workers had started; see their logs"),
        job_workers(site, 4, tmp_path, "simulate") as workers,
    ):
        map_partitions(workers, touch, str(tmp_path), partitions(4, 1), lambda _: None)


@pytest.mark.slurm
def test_a_job_lost_before_its_worker_starts_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobqueue, "LOOK_S", 1.0)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(Path(__file__).parent)]))
    site = replace(SITE, workers=1)
    with job_workers(site, 1, tmp_path, "simulate") as workers:
        lost: list[str] = []

        def lose_the_first() -> None:
            if not lost and (found := active(tmp_path)):
                ask("scancel", *found)
                lost.extend(found)

        failed = map_partitions(workers, touch, str(tmp_path), partitions(1, 1), lambda _: None, check=lose_the_first)
    assert failed == {}
    assert (tmp_path / "done-0").read_text() not in lost


@pytest.mark.slurm
@pytest.mark.slow
def test_only_a_partition_that_kills_its_workers_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(Path(__file__).parent)]))
    (tmp_path / "killer-2").touch()
    with job_workers(SITE, 12, tmp_path, "simulate") as workers:
        failed = map_partitions(workers, touch, str(tmp_path), partitions(12, 1), lambda _: None)
    assert [partition.index for partition in failed] == [2]
    assert len(list(tmp_path.glob("done-*"))) == 11


@pytest.mark.slurm
def test_workers_in_the_drivers_own_allocation_write_the_same_bytes(tmp_path: Path, tiny: Callable[..., Path]) -> None:
    config, here, there = tiny(), tmp_path / "here", tmp_path / "there"
    (tmp_path / "site.yaml").write_text("{name: inside, interface: lo, pool: runner}")
    command = [sys.executable, "-m", "hpcflow", "simulate", str(config), "--run"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([*command, here, "--workers", "1"], env=environment, check=True)
    script = f'#!/bin/bash\n"{sys.executable}" -m hpcflow simulate tiny.yaml --run there --site ./site.yaml\n'
    (tmp_path / "script").write_text(script)
    asked = ["--wait", "--ntasks=4", "--mem-per-cpu=600M", "--output=said"]
    done = subprocess.run(["sbatch", *asked, "script"], env=environment, cwd=tmp_path)
    said = (tmp_path / "said").read_text()
    assert done.returncode == 0, said
    assert "on 2 workers in this allocation of inside" in said
    assert contents(here) == contents(there)


def contents(run: Path) -> dict[str, bytes]:
    store = run / "simulations.zarr"
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}
