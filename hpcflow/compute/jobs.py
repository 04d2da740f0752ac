"""What is said to sbatch: pure functions from a site and a run to commands and scripts; nothing here runs anything."""

import hashlib
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path

from hpcflow.base.paths import RunPaths
from hpcflow.compute.site import Resources, Site

__all__ = ["CHAIN", "Job", "Place", "job_name", "options", "plan_job", "run_tag", "setup_script", "worker_job_name"]

CHAIN = ("simulate", "train", "infer", "validate", "report")  # each after the one before
WARNING_S = 120  # before the time limit, jobs are asked to stop
PACKAGE = Path(__file__).parent.parent


def _shipped_scripts() -> Path:
    """Return the folder of the job scripts: in a wheel, in a checkout."""
    return next(folder / "jobs" for folder in (PACKAGE, PACKAGE.parent) if (folder / "jobs").is_dir())


@dataclass(frozen=True)
class Place:
    """What all jobs of a run are told.

    Args:
        run: the run's folder.
        home: folder that jobs are started in; relative paths of a config begin there.
        python: interpreter on the nodes where the site names none.
        scripts: folder of the job scripts.
    """

    run: Path
    home: Path = field(default_factory=Path.cwd)
    python: str = sys.executable
    scripts: Path = field(default_factory=_shipped_scripts)


@dataclass(frozen=True)
class Job:
    """One job to submit.

    Args:
        stage: of the run.
        name: unique to run and stage, so that whoever knows the run finds it.
        command: sbatch and its arguments.
        folder: that holds the files it is told of: setup.sh, config.yaml, site.yaml.
        setup: what setup.sh says.
    """

    stage: str
    name: str
    command: tuple[str, ...]
    folder: Path
    setup: str


def run_tag(run: Path) -> str:
    """Return what all names of a run's jobs have in common, and those of no other run.

    >>> run_tag(Path("/project/runs/phangs"))
    'phangs-0c91874c'
    """
    path = run.resolve()
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._") else "_" for c in path.name)
    return f"{plain[:40]}-{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def job_name(site: Site, run: Path, stage: str) -> str:
    """Return the name of a stage's job."""
    return f"{site.job_prefix}-{run_tag(run)}-{stage}"


def worker_job_name(site: Site, run: Path, stage: str) -> str:
    """Return the name of the worker jobs of a stage's driver."""
    return f"{job_name(site, run, stage)}-worker"


def plan_job(stage: str, site: Site, place: Place, after: str | None = None) -> Job:
    """Return the job of one stage.

    Args:
        stage: of `CHAIN`.
        site: where it runs.
        place: what all jobs of the run are told.
        after: id of a job that must have succeeded before.
    """
    run = RunPaths(place.run.resolve())
    folder, log = run.submitted(stage), run.job_log(stage, "%j")
    name, asked, tasks = job_name(site, run.path, stage), *_asked(stage, site)
    arguments = [str(folder / "config.yaml"), "--run", str(run.path)]
    if stage == "train":
        arguments += ["--workers", str(asked.cores)]
    elif stage != "report":
        arguments += ["--site", str(folder / "site.yaml")]
    command = [
        "sbatch",
        "--parsable",
        f"--job-name={name}",
        "--dependency=singleton" + (f",afterok:{after}" if after else ""),
        f"--signal=B:USR1@{min(WARNING_S, 15 * asked.walltime_minutes)}",
        f"--chdir={place.home.resolve()}",
        f"--output={str(log.parent).replace('%', '%%')}/{log.name}",
        *options(asked),
        *tasks,
        str(place.scripts / f"{stage}.sbatch"),
        str(folder / "setup.sh"),
        *arguments,
    ]
    return Job(stage, name, tuple(command), folder, setup_script(site, place))


def options(asked: Resources) -> list[str]:
    """Return resources as options of sbatch, all but memory, processors and tasks."""
    named = {
        "partition": asked.partition,
        "account": asked.account,
        "qos": asked.qos,
        "constraint": asked.constraint,
        "gres": asked.gres,
        "time": asked.walltime_minutes,
    }
    return [f"--{key}={value}" for key, value in named.items() if value is not None] + list(asked.directives)


def setup_script(site: Site, place: Place) -> str:
    """Return the script that prepares a job's environment: modules, activation, interpreter, interface."""
    lines = [
        f"# What jobs find at the site {site.name}; written by hpcflow when this one was submitted.",
        *(f"module load {shlex.quote(module)} || return" for module in site.modules),
        *site.activate,
        f"export HPCFLOW_PYTHON={shlex.quote(site.python or place.python)}",
    ]
    if site.interface:
        interface = shlex.quote(site.interface)
        lines.append(f"export GLOO_SOCKET_IFNAME={interface} NCCL_SOCKET_IFNAME={interface}")
    return "\n".join([*lines, f"source {shlex.quote(str(place.scripts / 'lib.sh'))}", ""])


def _asked(stage: str, site: Site) -> tuple[Resources, list[str]]:
    """Return what a stage's job asks for, and its tasks, their processors and memory as options of sbatch."""
    if stage == "train":
        train = site.train
        spread = [
            f"--nodes={train.nodes}",
            f"--ntasks={train.ranks}",
            f"--ntasks-per-node={train.ranks // train.nodes}",
        ]
        return train, [*spread, f"--cpus-per-task={train.cores}", f"--mem={train.memory_mb}M"]
    if stage != "report" and site.pool == "runner":
        each = -(-site.worker.memory_mb // site.worker.cores)
        tasks = site.workers * site.worker.cores + 2  # driver and scheduler are two more
        return site.worker, [f"--ntasks={tasks}", "--cpus-per-task=1", f"--mem-per-cpu={each}M"]
    driver = site.driver
    return driver, ["--ntasks=1", f"--cpus-per-task={driver.cores}", f"--mem={driver.memory_mb}M"]
