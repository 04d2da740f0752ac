"""Worker jobs on a real SLURM through what befalls them: they are replaced, or the end is said."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hpcflow.base.errors import InputError, SchedulerError
from hpcflow.base.partitions import Partition, partitions
from hpcflow.base.paths import RunPaths
from hpcflow.compute import jobs, losses, pool, scheduler
from hpcflow.compute.dispatch import map_partitions
from hpcflow.compute.jobqueue import job_workers
from hpcflow.compute.jobs import worker_job_name
from hpcflow.compute.notes import read_notes
from hpcflow.compute.site import Resources, Site
from hpcflow.compute.slurm import ask, queued_jobs

ROOT = Path(__file__).parents[2]
ANY = Resources("cpu", walltime_minutes=10, memory_gb=0.6, interface="lo")
SITE = Site("test", driver=ANY, worker=ANY, workers=4)

pytestmark = pytest.mark.slurm


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers find this file, and the pool look often."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(Path(__file__).parent)]))
    monkeypatch.setattr(pool, "LOOK_S", 1.0)


def wait(folder: str, partition: Partition) -> None:
    """Take the time that a file says, and write the id of the job to another; hang or kill the job if others say so."""
    here = Path(folder)
    if (here / "deadly").exists():
        os.kill(os.getppid(), signal.SIGKILL)  # the nanny, which is the whole job
        os._exit(9)
    if (here / "hang").exists():
        (here / "hang").unlink()
        os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(float((here / "takes").read_text()) if (here / "takes").exists() else 0.3)
    (here / f"done-{partition.index}").write_text(os.environ["SLURM_JOB_ID"])


def run(site: Site, folder: Path, count: int, check: Callable[[], None] = lambda: None) -> list[str]:
    """Have partitions done by worker jobs, and return the notes that there were on the way."""
    noted = dict[str, None]()

    def look() -> None:
        noted.update(dict.fromkeys(read_notes(RunPaths(folder).notes("simulate"))))
        check()

    with job_workers(site, count, folder, "simulate") as workers:
        try:
            assert map_partitions(workers, wait, str(folder), partitions(count, 1), lambda _: None, check=look) == {}
        finally:
            look()
    assert read_notes(RunPaths(folder).notes("simulate")) == []
    return list(noted)


def queue(folder: Path) -> list[str]:
    return [job.id for job in queued_jobs([worker_job_name(SITE, folder, "simulate")])]


def test_a_refusal_quotes_slurm(tmp_path: Path) -> None:
    site = replace(SITE, worker=Resources("nowhere"))
    with pytest.raises(InputError, match=r"sbatch refused: .*invalid partition specified: nowhere"):
        run(site, tmp_path, 4)


def test_a_job_lost_before_its_worker_starts_is_replaced(tmp_path: Path) -> None:
    lost: list[str] = []

    def lose_the_first() -> None:
        if not lost and (found := queue(tmp_path)):
            ask("scancel", *found)
            lost.extend(found)

    run(replace(SITE, workers=1), tmp_path, 1, lose_the_first)
    assert (tmp_path / "done-0").read_text() not in lost


def test_jobs_that_all_end_without_a_worker_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are submitted at growing intervals, which are made short here."""
    monkeypatch.setattr(losses, "FIRST_S", 1.0)
    began = time.monotonic()
    with pytest.raises(InputError, match=r"worker jobs ended before a partition was finished, the last on cpu\d") as e:
        run(replace(SITE, activate=("exit 7",)), tmp_path, 4)
    assert "(exit code 7); see" in str(e.value)
    assert len(queue(tmp_path)) <= 12
    assert time.monotonic() - began < 60


def test_a_node_on_which_jobs_end_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A single job at a time falls on the bad node again and again, as that is free at once."""
    site = replace(SITE, workers=1, activate=("[[ $SLURMD_NODENAME != cpu1 ]] || exit 3",))
    noted = run(site, tmp_path, 2)
    assert any("cpu1 is left out, as worker jobs keep ending there (exit code 3)" in line for line in noted)
    assert "cpu1 is lost (exit code 3); see" in caplog.text
    assert len(queue(tmp_path)) == 4


def test_a_bad_node_does_not_end_a_stage_whose_other_workers_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "OF_NODE", 1000)  # it is not left out
    monkeypatch.setattr(losses, "LEAST", 3)
    monkeypatch.setattr(losses, "FIRST_S", 1.0)
    monkeypatch.setattr(losses, "LONGEST_S", 1.0)
    (tmp_path / "takes").write_text("25")
    site = replace(SITE, workers=2, activate=("[[ $SLURMD_NODENAME == cpu1 ]] || exit 3",))
    run(replace(site, worker=replace(site.worker, directives=("--exclusive",))), tmp_path, 2)
    assert len(queue(tmp_path)) > 2 * losses.LEAST


def test_a_limit_that_passes_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in before the real sbatch refuses as a site does where a user has too many jobs."""
    monkeypatch.setattr(losses, "FIRST_S", 1.0)
    said = "sbatch: error: QOSMaxSubmitJobPerUserLimit\\nsbatch: error: Batch job submission failed: Job violates"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sbatch").write_text(
        f"#!/bin/bash\ncd {tmp_path}\necho >> tries\n"
        f'if (( $(wc -l < tries) < 5 )); then echo -e "{said}" >&2; exit 1; fi\n'
        f'exec {shutil.which("sbatch")} "$@"\n'
    )
    (tmp_path / "bin" / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    noted = run(SITE, tmp_path, 4)
    assert any("QOSMaxSubmitJobPerUserLimit" in line and "trying again in" in line for line in noted)
    assert len(list(tmp_path.glob("done-*"))) == 4


def test_jobs_that_die_at_work_are_replaced_ever_more_slowly_and_said(tmp_path: Path) -> None:
    (tmp_path / "deadly").touch()
    began, seen = time.monotonic(), list[int]()

    def count() -> None:
        seen.append(len(queue(tmp_path)))
        if time.monotonic() - began > 60:
            (tmp_path / "deadly").unlink(missing_ok=True)

    noted = run(replace(SITE, workers=1), tmp_path, 1, count)
    assert any("is lost (" in line and "; the next is submitted in 20 s" in line for line in noted), noted
    assert max(seen) <= 6


@pytest.mark.slow
def test_partitions_longer_than_a_workers_life_end_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "lifetime", lambda walltime_s: (15, 1))
    monkeypatch.setattr(pool, "lifetime", lambda walltime_s: (15, 1))
    (tmp_path / "takes").write_text("60")
    with pytest.raises(InputError, match=r"[34] worker jobs ended after their 0\.2 min without finishing a partition"):
        run(replace(SITE, workers=2), tmp_path, 4)


def test_partitions_that_near_a_workers_life_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "lifetime", lambda walltime_s: (4, 1))
    (tmp_path / "takes").write_text("3")
    noted = run(replace(SITE, workers=1), tmp_path, 2)
    assert any("a partition took 0.1 of the 0.1 min that a worker lives" in line for line in noted)


def test_a_driver_without_workers_whose_submissions_hang_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "WATCH_S", 5.0)
    monkeypatch.setattr(pool, "END_S", 1.0)
    monkeypatch.setattr(pool, "ask", lambda *_, **__: time.sleep(1000))
    with pytest.raises(SchedulerError, match="for 5 s there has been no worker, and none could be submitted"):
        run(SITE, tmp_path, 4)


def test_a_worker_that_hangs_is_started_again_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "TTL", "5 s")
    (tmp_path / "hang").touch()
    noted = run(replace(SITE, workers=1), tmp_path, 3)
    assert any("started again 1 times; see" in line for line in noted)
    assert len(queue(tmp_path)) == 1


@pytest.mark.slow
def test_a_network_that_is_gone_for_a_while_costs_time_only(tmp_path: Path, need: Callable[[str], str]) -> None:
    """Workers and driver speak over an address that somebody takes away for 40 s."""
    ip, address = need("ip"), ["10.213.7.1/32", "dev", "lo"]
    if os.geteuid():
        pytest.skip("only root can take an address away")
    (tmp_path / "takes").write_text("20")
    gone: list[float] = []

    def take_away() -> None:
        if not gone and any((tmp_path / f"done-{i}").exists() for i in range(16)):
            subprocess.run([ip, "addr", "del", *address], check=True)
            gone.append(time.monotonic())
        if len(gone) == 1 and time.monotonic() - gone[0] > 40:
            subprocess.run([ip, "addr", "add", *address, "label", "lo:hpc"], check=True)
            gone.append(0)

    subprocess.run([ip, "addr", "add", *address, "label", "lo:hpc"], check=True)
    try:
        run(replace(SITE, driver=replace(ANY, interface="lo:hpc")), tmp_path, 16, take_away)
    finally:
        subprocess.run([ip, "addr", "del", *address], check=False)
    assert len(gone) == 2
    assert len(list(tmp_path.glob("done-*"))) == 16
