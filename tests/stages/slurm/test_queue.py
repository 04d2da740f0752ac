import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from hpcflow.base.errors import InputError
from hpcflow.compute import slurm
from hpcflow.compute.jobs import job_name, worker_job_name
from hpcflow.compute.notes import Notes
from hpcflow.compute.slurm import Queued
from hpcflow.config.sites import load_site
from hpcflow.stages.run import Run
from hpcflow.stages.slurm.queue import JobStatus, cancel, describe, job_status

SITE = load_site("devcluster")
LOG = Path("train.7.out")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(slurm, "PAUSE_S", 0.01)
    made = Run(tmp_path / "run")
    made.logs.mkdir(parents=True)
    (made.logs / "jobs.json").write_text('{"simulate": {"id": "1"}, "train": {"id": "2"}}')
    return made


@pytest.mark.parametrize(
    ("state", "reason", "restarts", "says"),
    [
        ("PENDING", "Priority", 0, "queued: waits for its turn"),
        ("PENDING", "QOSMaxJobsPerUserLimit", 0, "queued: QOSMaxJobsPerUserLimit"),
        ("PENDING", "BeginTime", 1, "queued, put back into the queue 1 time: starts again in a moment"),
        ("PENDING", "", 0, "queued"),
        ("RUNNING", "", 0, "running on n1"),
        ("COMPLETING", "", 0, "completing on n1"),
        ("COMPLETED", "", 3, "done, put back into the queue 3 times"),
        ("FAILED", "NonZeroExitCode", 0, "failed: NonZeroExitCode; see train.7.out"),
        ("NODE_FAIL", "NodeDown", 0, "failed: its node died; see train.7.out"),
        ("OUT_OF_MEMORY", "OutOfMemory", 0, "failed: it needs more memory_gb; see train.7.out"),
    ],
)
def test_a_job_in_words(state: str, reason: str, restarts: int, says: str) -> None:
    assert describe(Queued("7", "x", state, reason, restarts, "n1"), LOG) == says


def test_jobs_are_found_in_queue_accounts_or_nowhere(fake_slurm: Any, run: Run) -> None:
    fake_slurm.add("somebody's")
    train = fake_slurm.add(job_name(SITE, run.path, "train"), "PENDING")
    for state in ("RUNNING", "RUNNING", "PENDING", "CANCELLED"):
        fake_slurm.add(worker_job_name(SITE, run.path, "simulate"), state)
    lines, workers = job_status(run)
    assert lines == [
        JobStatus("simulate", "1", "ended; SLURM has forgotten how", False),
        JobStatus("train", train, "queued", True),
    ]
    assert workers == "1 pending, 2 running"
    fake_slurm.set(accounts={"1": "TIMEOUT"})
    says = job_status(run)[0][0].says
    assert says == f"failed: the time limit was too short; see {run.logs / 'simulate.1.out'}"


def test_the_latest_job_of_a_stage_is_shown(fake_slurm: Any, run: Run) -> None:
    for state in ["FAILED"] * 9 + ["RUNNING"]:
        fake_slurm.add(job_name(SITE, run.path, "train"), state)
    assert job_status(run)[0][-1] == JobStatus("train", "10", "running on ", True)


def test_without_slurm_there_is_nothing_to_say(monkeypatch: pytest.MonkeyPatch, run: Run, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert job_status(run) == ([], "")


def test_a_slurm_that_does_not_answer_hides_nothing_else(fake_slurm: Any, run: Run) -> None:
    fake_slurm.set(away=10_000)
    lines, workers = job_status(run)
    assert [(line.stage, line.id, line.active) for line in lines] == [("simulate", "1", True), ("train", "2", True)]
    assert lines[0].says == "submitted; SLURM does not say how it is"
    assert workers.startswith("not known: SLURM does not answer")
    (run.logs / "jobs.json").unlink()
    assert job_status(run) == ([], ""), "a run that was never submitted"


def test_cancel_ends_the_run_and_nothing_else(fake_slurm: Any, run: Run, tmp_path: Path) -> None:
    other = fake_slurm.add(job_name(SITE, tmp_path / "other", "train"))
    for name in (job_name(SITE, run.path, "train"), worker_job_name(SITE, run.path, "simulate")):
        fake_slurm.add(name)
    assert cancel(run) == 2
    assert fake_slurm.jobs[other]["state"] == "RUNNING"
    assert cancel(run) == 0
    with pytest.raises(InputError, match="not a run folder"):
        cancel(Run(tmp_path / "other"))


def test_what_is_wrong_with_workers_is_shown(fake_slurm: Any, run: Run) -> None:
    Notes("simulate", run.notes("simulate")).say("n1", "n1 is left out")
    fake_slurm.add(worker_job_name(SITE, run.path, "simulate"), "RUNNING")
    assert job_status(run)[1].startswith("1 running; n1 is left out (at ")


@pytest.fixture
def moved(fake_slurm: Any, run: Run) -> Run:
    """Give a run whose folder was renamed after its jobs had been submitted."""
    name = job_name(SITE, run.path, "train")
    for one in (name, f"{name}-worker"):
        fake_slurm.add(one)
    noted = {"train": {"id": "1", "name": name, "run": str(run.path)}}
    run.jobs.write_text(json.dumps(noted))
    return Run(run.path.rename(run.path.with_name("renamed")))


def test_a_renamed_run_finds_and_cancels_its_jobs(moved: Run) -> None:
    moved.path.with_name("run").mkdir()  # where a worker writes as if nothing had happened
    assert job_status(moved) == ([JobStatus("train", "1", "running on ", True)], "1 running")
    assert cancel(moved) == 2


def test_a_copied_run_leaves_the_jobs_of_the_original_alone(fake_slurm: Any, moved: Run) -> None:
    shutil.copytree(moved.path, moved.path.with_name("run"))  # the original is back
    assert cancel(moved) == 0
    assert cancel(Run(moved.path.with_name("run"))) == 2
