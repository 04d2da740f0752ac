"""SLURM's commands, called with time limits and retried while the controller is away (only this file calls them)."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hpcflow.base.errors import InputError, SchedulerError
from hpcflow.compute.jobs import Job, worker_job_name
from hpcflow.compute.site import Site

__all__ = [
    "PATIENCE_S",
    "Queued",
    "ask",
    "cancel_jobs",
    "cancel_workers",
    "ended_jobs",
    "is_limit",
    "job_id",
    "queued_jobs",
    "submit",
]

T = TypeVar("T")

CALL_S = 40.0  # for one command, which itself gives up after about ten seconds without an answer
PATIENCE_S = 180.0  # for retries while the controller is away
PAUSE_S = 1.0
AWAY = (
    "unable to contact slurm controller",
    "slurm controller not responding",
    "communication connection failure",
    "unable to connect",
    "connection refused",
    "timed out",
    "zero bytes were transmitted",
    "temporarily",
)
ENDED = (
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",  # a job that is requeued is PENDING
    "REVOKED",
    "TIMEOUT",
)
FIELDS = "JobID:|,State:|,Reason:100|,RestartCnt:|,NodeList:100|,exit_code:|,Name:300"
LIMITS = ("submitjob", "job submit limit", "maxjobcount", "maxjobs")  # of a user, an account or a qos; they pass


class _AwayError(Exception):
    """The controller did not answer."""


@dataclass(frozen=True)
class Queued:
    """A job as SLURM reports it.

    Args:
        id: job id.
        name: job name.
        state: state, e.g. "PENDING".
        reason: why it waits or has failed.
        restarts: number of times it was requeued.
        nodes: nodes it runs on.
        code: exit code of its script, -n if signal n ended it.
    """

    id: str
    name: str
    state: str
    reason: str = ""
    restarts: int = 0
    nodes: str = ""
    code: int = 0

    @property
    def active(self) -> bool:
        """Whether the job is waiting, running or still ending."""
        return self.state not in ENDED

    @property
    def end(self) -> str:
        """How the job ended.

        >>> Queued("7", "x", "FAILED", code=1).end, Queued("7", "x", "OUT_OF_MEMORY").end
        ('exit code 1', 'out of memory')
        """
        if self.state != "FAILED" or not self.code:
            return self.state.lower().replace("_", " ")
        return f"exit code {self.code}" if self.code > 0 else signal.Signals(-self.code).name


def submit(job: Job, patience_s: float = PATIENCE_S) -> str:
    """Submit a job and return its id.

    Raises:
        InputError: if SLURM refuses it; the message quotes SLURM.
        SchedulerError: if SLURM does not answer.
    """
    before = {queued.id for queued in queued_jobs([job.name], patience_s)}
    tried = False

    def once() -> str:
        nonlocal tried
        if tried:  # the job may have been submitted although the answer was lost
            for queued in _squeue([job.name]):
                if queued.active and queued.id not in before:
                    return queued.id
        tried = True
        return job_id(_call(job.command))

    return _patiently(once, patience_s)


def is_limit(refusal: InputError) -> bool:
    """Return whether SLURM refused a job because there are too many of them at present.

    >>> is_limit(InputError("sbatch refused: QOSMaxSubmitJobPerUserLimit")), is_limit(InputError("invalid partition"))
    (True, False)
    """
    return any(words in str(refusal).lower() for words in LIMITS)


def job_id(said: str) -> str:
    r"""Return the job id in what sbatch printed, among whatever else a site lets it print.

    >>> job_id("Welcome!\n4711;dev\nHave 3 nice days"), job_id("Submitted batch job 12")
    ('4711', '12')

    Raises:
        InputError: if there is none.
    """
    found = re.findall(r"^(?:Submitted batch job )?(\d+)(?:;\S+| on cluster \S+)?\s*$", said, re.MULTILINE)
    if not found:
        raise InputError(f"sbatch printed no job id ({' '.join(said.split()):.200}); call it by hand to find out why")
    return str(found[-1])


def queued_jobs(names: Sequence[str] = (), patience_s: float = PATIENCE_S) -> list[Queued]:
    """Return this user's jobs that SLURM remembers, either all or those with given names.

    Raises:
        SchedulerError: if SLURM does not answer.
    """
    return _patiently(lambda: _squeue(names), patience_s)


def ended_jobs(ids: Collection[str]) -> dict[str, Queued]:
    """Return the accounting records of jobs that have left the queue; none if the cluster keeps no accounts."""
    if not ids:
        return {}
    command = ["sacct", "-X", "--noheader", "--parsable2", f"--jobs={','.join(ids)}", "--format=JobID,State,JobName"]
    try:
        lines = _call(command).splitlines()
    except (InputError, _AwayError):
        return {}
    rows = (line.split("|", 2) for line in lines)
    return {id: Queued(id, name, state.split()[0]) for id, state, name in rows}  # "CANCELLED by 1000"


def cancel_workers(site: Site, run: Path, stage: str, patience_s: float = PATIENCE_S) -> int:
    """Cancel the worker jobs of a stage's driver, wait until they are gone, and return their number.

    Raises:
        SchedulerError: if SLURM does not answer, or the jobs do not end.
    """
    name = worker_job_name(site, run, stage)
    return cancel_jobs(lambda: queued_jobs([name], patience_s), patience_s)


def cancel_jobs(find: Callable[[], Sequence[Queued]], patience_s: float = PATIENCE_S) -> int:
    """Cancel jobs, including those found while waiting, wait until they are gone, and return their number.

    Args:
        find: function that returns the jobs to cancel.
        patience_s: how long to wait for them to go.

    Raises:
        SchedulerError: if SLURM does not answer, or the jobs do not end.
    """
    asked = set[str]()
    end = time.monotonic() + patience_s
    while there := [job for job in find() if job.active]:
        if new := [job.id for job in there if job.id not in asked]:
            ask("scancel", *new, patience_s=patience_s)
            asked.update(new)
        elif time.monotonic() > end:
            ids = ", ".join(job.id for job in there)
            raise SchedulerError(f"jobs {ids} do not end; see `scontrol show job {there[0].id}`, then try again")
        else:
            time.sleep(PAUSE_S)
    return len(asked)


def ask(*command: str, patience_s: float = PATIENCE_S) -> str:
    """Run one of SLURM's commands and return its output.

    Raises:
        InputError: if it refuses; the message quotes SLURM.
        SchedulerError: if SLURM does not answer.
    """
    return _patiently(lambda: _call(command), patience_s)


def _squeue(names: Sequence[str]) -> list[Queued]:
    chosen = [f"--name={','.join(names)}"] if names else []
    command = ["squeue", "--noheader", "--states=all", f"--user={os.getuid()}", *chosen, f"--Format={FIELDS}"]
    rows = ([cell.strip() for cell in line.split("|", 6)] for line in _call(command).splitlines())
    return [
        Queued(id, name, state, "" if reason == "None" else reason, int(restarts), nodes, _exit_code(code))
        for id, state, reason, restarts, nodes, code, name in rows
    ]


def _exit_code(said: str) -> int:
    """Return an exit code, -n for signal n, which some versions say as "code:signal" and others as waitpid does."""
    code, colon, number = said.partition(":")
    if colon:
        return -int(number) if int(number) else int(code)
    return os.waitstatus_to_exitcode(int(said)) if said.isdigit() else 0


def _patiently(action: Callable[[], T], patience_s: float) -> T:
    """Run an action, again and again while the controller is away."""
    end = time.monotonic() + patience_s
    while True:
        try:
            return action()
        except _AwayError as e:
            if time.monotonic() > end:
                raise SchedulerError(f"SLURM does not answer ({e}); wait, then run the same command again") from e
            time.sleep(PAUSE_S)


def _call(command: Sequence[str]) -> str:
    # A job that submits jobs must not pass its own SLURM variables on to them.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SLURM_") or k == "SLURM_CONF"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CALL_S, env=environment)
    except FileNotFoundError as e:
        raise InputError(f"{command[0]} is not installed on this machine; run this where SLURM's commands are") from e
    except subprocess.TimeoutExpired as e:
        raise _AwayError(f"{command[0]} took more than {CALL_S:.0f} s") from e
    said = " ".join(done.stderr.replace(f"{command[0]}: error: ", "").split())
    if done.returncode == 0:
        return done.stdout
    if any(words in said.lower() for words in AWAY):
        raise _AwayError(said)
    raise InputError(f"{command[0]} refused: {said or f'exit code {done.returncode}'}")
