"""`hpcflow site check`: submit a tiny job of each kind, and explain what is wrong."""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hpcflow import __version__
from hpcflow.base.errors import InputError
from hpcflow.compute.jobs import Place, memory, options, setup_script
from hpcflow.compute.site import Resources, Site
from hpcflow.compute.slurm import Queued, ask, cancel_jobs, job_id, queued_jobs
from hpcflow.config.load import dump_yaml

__all__ = ["Finding", "check", "check_command", "clock_difference", "explain"]

KINDS = ("driver", "worker", "train")
WAIT_S = 600.0  # longest wait in the queue before the check fails
CLOCK_S = 2.0  # by which clocks may differ
SEEN_S = 30.0  # longest wait for a file of another node to appear on a shared disk
# Words of sbatch's refusal, the key of the site that they refer to, and what to do.
WORDS = (
    ("partition", "partition", "`sinfo --summarize` lists the available ones"),
    ("account", "account", "`sacctmgr show associations user=$USER` lists yours"),
    ("qos", "qos", "`sacctmgr show associations user=$USER format=qos` lists yours"),
    ("feature", "constraint", "`sinfo --format='%P %f'` lists the available ones"),
    ("generic resource", "gres", "`sinfo --format='%P %G'` lists the available ones"),
    ("gres", "gres", "`sinfo --format='%P %G'` lists the available ones"),
    ("time limit", "walltime_minutes", "`sinfo --format='%P %l'` lists the limits"),
    ("memory", "memory_gb", "`sinfo --format='%P %m'` lists the memory of nodes"),
    ("node configuration", "", "no node has these cores, memory_gb, gres and constraint"),
    ("unrecognized option", "directives", "`man sbatch` lists all options"),
)
SAID = (
    (("python", "No such file"), "the interpreter is not on the node; set python, modules or activate in the site"),
    (("No module named ",), "the node's python lacks a package; set python or activate in the site"),
    (("module", "not found"), "nodes have no `module` command; set activate: [source /etc/profile.d/modules.sh]"),
    (("module", "rror"), "modules cannot be loaded; `module avail` lists the available ones"),
)
STUCK = {
    "PartitionTimeLimit": "walltime_minutes is more than the partition allows",
    "PartitionNodeLimit": "nodes is more than the partition has",
    "AssocGrpCpuLimit": "the account has used up its processors",
    "BadConstraints": "no node meets constraint, gres, cores and memory_gb together",
}


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Args:
        good: whether it passed.
        says: what was found, and what to do.
    """

    good: bool
    says: str


def check(site: Site, folder: Path, wait_s: float = WAIT_S) -> Iterator[Finding]:
    """Submit a tiny job of each kind, and yield each finding as soon as it is known.

    Args:
        site: the site to check.
        folder: a folder on the disk that runs will use.
        wait_s: longest time to wait for a job, in seconds.

    Raises:
        InputError: if SLURM's commands are not on this machine.
        SchedulerError: if SLURM does not answer.
    """
    ask("sinfo", "--version")
    work = Path(mkdtemp(prefix="hpcflow-check-", dir=folder)).resolve()
    (work / "site.yaml").write_text(dump_yaml(asdict(site)))
    (work / "setup.sh").write_text(setup_script(site, Place(work)))
    ids, since = dict[str, str](), time.time()
    good = True  # the folder is kept if anything is wrong
    try:
        for kind in KINDS:
            try:
                ids[kind] = job_id(ask(*check_command(kind, site, work)))
            except InputError as e:
                good = False
                yield Finding(False, f"{kind}: {explain(str(e), _resources(kind, site))}")
        for kind in list(ids):
            finding = _await(kind, ids[kind], site, work, since, wait_s)
            good &= finding.good
            yield finding
            if kind == "driver" and finding.good and site.pool == "jobs":
                nested = json.loads((work / "driver.json").read_text())["submitted"]
                finding = _await("nested", nested, site, work, since, wait_s)
                good &= finding.good
                yield finding
    finally:
        mine = f"{site.job_prefix}-check-{work.name}"
        cancel_jobs(lambda: [job for job in queued_jobs() if job.name.startswith(mine)])
        if good:
            shutil.rmtree(work)


def check_command(kind: str, site: Site, folder: Path) -> list[str]:
    """Return the command that submits the tiny job of one kind."""
    asked = _resources(kind, site)
    spread = [f"--nodes={asked.nodes}", f"--ntasks={asked.ranks}", f"--ntasks-per-node={asked.ranks // asked.nodes}"]
    return [
        "sbatch",
        "--parsable",
        f"--job-name={site.job_prefix}-check-{folder.name}-{kind}",
        f"--output={str(folder).replace('%', '%%')}/{kind}.out",
        f"--chdir={folder}",
        *options(asked),
        *(spread if kind == "train" else ["--ntasks=1"]),
        f"--cpus-per-task={asked.cores}",
        *memory(asked),
        str(Place(folder).scripts / "check.sbatch"),
        str(folder / "setup.sh"),
        kind,
        str(folder),
    ]


def explain(refusal: str, asked: Resources) -> str:
    """Return the reason why a job was refused, and what to do.

    >>> explain("sbatch refuses: invalid partition specified: x", Resources(partition="x"))
    "partition 'x': invalid partition specified: x; `sinfo --summarize` lists the available ones"
    """
    said = refusal.partition("refuses: ")[2] or refusal
    for words, key, advice in WORDS:
        if words in said.lower():
            return (f"{key} {getattr(asked, key)!r}: " if key else "") + f"{said}; {advice}"
    return said


def _resources(kind: str, site: Site) -> Resources:
    return {"driver": site.driver, "train": site.train}.get(kind, site.worker)


def _await(kind: str, id: str, site: Site, work: Path, since: float, wait_s: float) -> Finding:
    """Wait for a job to end, and return its finding."""
    what = "worker, submitted by a job" if kind == "nested" else kind
    job = _ended(id, wait_s)
    if job and job.active:
        reason = STUCK.get(job.reason, f"SLURM says {job.reason or job.state}")
        return Finding(False, f"{what}: job {id} did not end within {wait_s:.0f} s: {reason}")
    result, log = work / f"{kind}.json", work / f"{kind}.out"
    failed = job is not None and job.state != "COMPLETED"
    end = time.monotonic() + SEEN_S
    while not result.is_file():
        if time.monotonic() > end or (failed and log.is_file()):
            return Finding(False, f"{what}: {_why(job, log)}")
        time.sleep(0.5)
    found: dict[str, Any] = json.loads(result.read_text())
    wrong = [*found["wrong"], *clock_difference(found["node"], found["clock"], since, time.time())]
    if found["version"] != __version__:
        wrong.append(f"{found['node']} has hpcflow {found['version']}, this machine {__version__}; use one environment")
    if kind == "train":
        wrong += _ranks(found, site.train)
    if wrong:
        return Finding(False, f"{what}: {'; '.join(wrong)}")
    also = f", {found['ranks']} ranks met, {found['gpus']} GPUs each" if kind == "train" else ""
    return Finding(True, f"{what}: job {id} ran on {found['node']}{also}")


def clock_difference(node: str, clock: float, since: float, until: float) -> list[str]:
    """Return a sentence if a node's clock, read at some time between `since` and `until` of this machine's, is off.

    >>> clock_difference("n7", 90.0, 99.0, 104.0)
    ["n7's clock is 9 s or more behind this machine's; ask the administrators to set it by NTP"]
    """
    off, side = max((since - clock, "behind"), (clock - until, "ahead of"))
    if off <= CLOCK_S:
        return []
    return [f"{node}'s clock is {off:.0f} s or more {side} this machine's; ask the administrators to set it by NTP"]


def _ranks(found: dict[str, Any], train: Resources) -> list[str]:
    if found["ranks"] != train.ranks:
        return [f"{found['ranks']} of {train.ranks} ranks met; check nodes and ranks"]
    return []


def _ended(id: str, wait_s: float) -> Queued | None:
    """Wait for a job to end and return its last state, or None if SLURM has forgotten it."""
    end = time.monotonic() + wait_s
    while True:
        job = next((job for job in queued_jobs() if job.id == id), None)
        if job is None or not job.active or time.monotonic() > end or job.reason in STUCK:
            return job
        time.sleep(1)


def _why(job: Queued | None, log: Path) -> str:
    """Return the reason why a job left no result."""
    if not log.is_file():
        return (
            f"the job wrote nothing into {log.parent}, so nodes do not share this folder or may not write to it; "
            "name a folder on a shared disk with --folder"
        )
    said = log.read_text(errors="replace").strip().splitlines()
    for words, advice in SAID:
        if line := next((line for line in said if all(word in line for word in words)), ""):
            return f"{line}; {advice}"
    last = said[-1] if said else f"it printed nothing and ended as {job.state.lower() if job else 'unknown'}"
    return f"{last}; its full output is in {log}"
