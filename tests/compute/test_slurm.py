"""SLURM's commands, faked; tests marked slurm call the real ones."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from hpcflow.base.errors import InputError, SchedulerError
from hpcflow.compute import slurm
from hpcflow.compute.jobs import Place, job_name, plan_job, run_tag, worker_job_name
from hpcflow.compute.site import Site
from hpcflow.compute.slurm import (
    Queued,
    ask,
    cancel_jobs,
    cancel_workers,
    ended_jobs,
    queued_jobs,
    submit,
)

SITE = Site("here")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "PAUSE_S", 0.01)


def run_jobs(run: Path) -> list[Queued]:
    return [job for job in queued_jobs() if f"-{run_tag(run)}-" in job.name]


def names(run: Path) -> list[str]:
    return [job.name for job in run_jobs(run) if job.active]


def test_a_job_is_submitted_and_found(fake_slurm: Any, tmp_path: Path) -> None:
    job = plan_job("simulate", SITE, Place(tmp_path))
    id = submit(job)
    assert fake_slurm.calls("sbatch") == [list(job.command[1:])]
    assert queued_jobs() == queued_jobs([job.name]) == [Queued(id, job.name, "RUNNING")]
    assert queued_jobs(["another"]) == []


def test_a_refusal_is_one_sentence_that_quotes_slurm(fake_slurm: Any, tmp_path: Path) -> None:
    fake_slurm.set(refusal="Invalid account or account/partition combination specified")
    with pytest.raises(InputError, match="sbatch refused: Invalid account"):
        submit(plan_job("simulate", SITE, Place(tmp_path)))
    assert len(fake_slurm.calls("sbatch")) == 1


def test_calls_are_retried_while_the_controller_is_away(fake_slurm: Any) -> None:
    fake_slurm.set(away=3)
    assert ask("sinfo") == "slurm 1\n"
    fake_slurm.set(away=10_000)
    with pytest.raises(SchedulerError, match=r"Unable to contact.*run the same command again"):
        ask("sinfo", patience_s=0.3)


def test_a_command_that_hangs_is_ended(fake_slurm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "CALL_S", 0.2)
    (fake_slurm.folder / "sinfo").write_text("#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(SchedulerError, match="took more than"):
        ask("sinfo", patience_s=0)


def test_a_job_whose_answer_was_lost_is_not_submitted_again(fake_slurm: Any, tmp_path: Path) -> None:
    job = plan_job("simulate", SITE, Place(tmp_path))
    old = fake_slurm.add(job.name, "FAILED")
    fake_slurm.set(lost_answers=1)
    assert submit(job) != old
    assert len(fake_slurm.calls("sbatch")) == 1


def test_missing_slurm_commands_are_an_input_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="squeue is not installed on this machine"):
        queued_jobs()


def test_a_run_cancels_its_own_jobs_and_no_others(fake_slurm: Any, tmp_path: Path) -> None:
    mine, other = tmp_path / "run", tmp_path / "other"
    for run in (mine, other):
        for stage in ("simulate", "infer"):
            fake_slurm.add(job_name(SITE, run, stage))
            fake_slurm.add(worker_job_name(SITE, run, stage), "PENDING")
    fake_slurm.add("somebody")
    assert cancel_workers(SITE, mine, "infer") == 1
    assert names(mine) == [job_name(SITE, mine, s) for s in ("simulate",)] + [
        worker_job_name(SITE, mine, "simulate"),
        job_name(SITE, mine, "infer"),
    ]
    assert cancel_jobs(lambda: run_jobs(mine)) == 3
    assert names(mine) == []
    assert len(names(other)) == 4
    assert cancel_jobs(lambda: run_jobs(mine)) == 0


def test_jobs_that_do_not_end_are_an_error(fake_slurm: Any) -> None:
    (fake_slurm.folder / "scancel").write_text("#!/bin/sh\n")
    id = fake_slurm.add("stuck")
    with pytest.raises(SchedulerError, match=f"scontrol show job {id}"):
        cancel_jobs(queued_jobs, 0.2)


def test_jobs_that_left_the_queue_are_looked_up_in_the_accounts(fake_slurm: Any) -> None:
    assert ended_jobs([]) == {}
    assert ended_jobs(["7"]) == {}
    fake_slurm.set(accounts={"7": "CANCELLED by 1000", "8": "COMPLETED"})
    assert ended_jobs(["7"]) == {"7": Queued("7", "some name", "CANCELLED")}


def test_a_job_passes_none_of_its_slurm_variables_on(fake_slurm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_NTASKS", "SLURM_CONF", "SBATCH_ACCOUNT"):
        monkeypatch.setenv(name, "x")
    script = fake_slurm.folder / "sinfo"
    script.write_text("#!/bin/sh\nenv\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    passed = {line.partition("=")[0] for line in ask("sinfo").splitlines()}
    assert {"SLURM_CONF", "SBATCH_ACCOUNT"} <= passed
    assert "SLURM_NTASKS" not in passed
    assert "SLURM_NTASKS" in os.environ


@pytest.mark.parametrize(
    ("state", "active"),
    [
        ("PENDING", True),
        ("RUNNING", True),
        ("COMPLETING", True),
        ("COMPLETED", False),
        ("NODE_FAIL", False),
        ("PREEMPTED", False),
    ],
)
def test_active_states(state: str, active: bool) -> None:
    assert Queued("1", "x", state).active is active
