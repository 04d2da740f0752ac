"""The state of a run's SLURM jobs in words, and their cancellation."""

import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from hpcflow.base.errors import HpcflowError
from hpcflow.compute.jobs import CHAIN
from hpcflow.compute.notes import read_notes
from hpcflow.compute.slurm import Queued, cancel_jobs, ended_jobs
from hpcflow.stages.run import Run
from hpcflow.stages.slurm.submit import jobs_of, stage_jobs, submitted_jobs

__all__ = ["JobStatus", "cancel", "describe", "job_status"]

WAITS = {
    "Dependency": "waits for the job before it",
    "DependencyNeverSatisfied": "the job before it failed; submit again",
    "Priority": "waits for its turn",
    "Resources": "waits for free nodes",
    "BeginTime": "starts again in a moment",
    "ReqNodeNotAvail": "its nodes are down or reserved",
    "JobHeldUser": "you hold it; run scontrol release",
    "JobHeldAdmin": "an administrator holds it",
}
FAILURES = {
    "TIMEOUT": "the time limit was too short",
    "NODE_FAIL": "its node died",
    "OUT_OF_MEMORY": "it needs more memory_gb",
    "CANCELLED": "cancelled",
}


@dataclass(frozen=True)
class JobStatus:
    """One stage's job.

    Args:
        stage: stage of the run.
        id: job id.
        says: its state in words.
        active: whether it is waiting or running.
    """

    stage: str
    id: str
    says: str
    active: bool


def job_status(run: Run) -> tuple[list[JobStatus], str]:
    """Return the jobs of a run's stages, and a line about its workers; both are empty without SLURM."""
    submitted = submitted_jobs(run)
    if not shutil.which("squeue"):
        return [], ""
    try:
        jobs = jobs_of(run, patience_s=0.0)
    except HpcflowError as e:  # without an answer from SLURM, what is known without it is still worth showing
        says = "submitted; SLURM does not say how it is"
        waiting = [JobStatus(stage, submitted[stage]["id"], says, True) for stage in CHAIN if stage in submitted]
        return waiting, f"not known: {e}" if submitted else ""
    found = stage_jobs(jobs)
    forgotten = ended_jobs([noted["id"] for stage, noted in submitted.items() if stage not in found])
    lines = []
    for stage in CHAIN:
        noted = submitted.get(stage, {}).get("id", "")
        job = found.get(stage) or forgotten.get(noted)
        if job:
            lines.append(JobStatus(stage, job.id, describe(job, run.job_log(stage, job.id)), job.active))
        elif noted:
            lines.append(JobStatus(stage, noted, "ended; SLURM has forgotten how", False))
    states = Counter(job.state.lower() for job in jobs if job.name.endswith("-worker") and job.active)
    counts = ", ".join(f"{n} {state}" for state, n in sorted(states.items()))
    return lines, "; ".join(filter(None, [counts, *(note for stage in CHAIN for note in read_notes(run.notes(stage)))]))


def describe(job: Queued, log: Path) -> str:
    """Return a job's state in words.

    >>> describe(Queued("7", "x", "PENDING", "Dependency"), Path("log"))
    'queued: waits for the job before it'
    >>> describe(Queued("7", "x", "RUNNING", "", 2, "node[1-2]"), Path("log"))
    'running on node[1-2], put back into the queue 2 times'
    """
    again = f", put back into the queue {job.restarts} time{'s' * (job.restarts > 1)}" if job.restarts else ""
    if job.state == "COMPLETED":
        return "done" + again
    if job.state == "PENDING":
        why = WAITS.get(job.reason, job.reason)
        return "queued" + again + (f": {why}" if why else "")
    if job.active:
        return f"{job.state.lower()} on {job.nodes}" + again
    return f"failed{again}: {FAILURES.get(job.state, job.reason or job.state)}; see {log}"


def cancel(run: Run) -> int:
    """Cancel a run's jobs and its workers' jobs, wait until they are gone, and return their number.

    Raises:
        InputError: if the folder is not a run and no job was submitted for it.
        SchedulerError: if SLURM does not answer.
    """
    if not submitted_jobs(run):
        run.refuse_if_not_begun()
    return cancel_jobs(lambda: jobs_of(run))
