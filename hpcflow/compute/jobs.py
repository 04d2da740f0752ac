"""The sbatch commands and setup scripts of jobs, as pure functions of a site and a run; nothing here runs them."""

import hashlib
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from hpcflow.base.paths import RunPaths
from hpcflow.compute.site import Resources, Site

__all__ = [
    "CHAIN",
    "Job",
    "Place",
    "job_name",
    "lifetime",
    "memory",
    "options",
    "plan_job",
    "plan_worker",
    "run_tag",
    "setup_script",
    "worker_files",
    "worker_job_name",
    "workers_command",
]

CHAIN = ("simulate", "train", "infer", "validate", "report")  # each depends on the one before
DEATH_S = 60  # for which a worker looks for its scheduler
WARNING_S = 120  # time before the limit at which jobs are asked to stop
PACKAGE = Path(__file__).parent.parent


def _shipped_scripts() -> Path:
    """Return the folder of the job scripts, in a wheel or in a checkout."""
    return next(folder / "jobs" for folder in (PACKAGE, PACKAGE.parent) if (folder / "jobs").is_dir())


@dataclass(frozen=True)
class Place:
    """The settings that all jobs of a run share.

    Args:
        run: the run folder.
        home: working directory of the jobs, to which relative paths in a config refer.
        python: interpreter on the nodes, unless the site names one.
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
        stage: stage of the run.
        name: name that is unique to run and stage, so that the job can be found from these.
        command: sbatch and its arguments.
        folder: folder of the files that the job reads: setup.sh, config.yaml, site.yaml.
        setup: content of setup.sh, if it is for this job alone.
    """

    stage: str
    name: str
    command: tuple[str, ...]
    folder: Path
    setup: str = ""


def run_tag(run: Path) -> str:
    """Return the part that the names of all jobs of a run have in common, unique to the run.

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
        stage: a stage in `CHAIN`.
        site: the site where it runs.
        place: settings that all jobs of the run share.
        after: id of a job that must succeed first.
    """
    run = RunPaths(place.run.resolve())
    folder, log = run.submitted(stage), run.job_log(stage, "%j")
    name, kind, tasks = job_name(site, run.path, stage), *_asked(stage, site)
    asked: Resources = getattr(site, kind)
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
    exports = {
        "HPCFLOW_LIVES": str(run.lives(stage)),
        "HPCFLOW_LIMIT": f"{kind}.walltime_minutes ({asked.walltime_minutes})",
    }
    return Job(stage, name, tuple(command), folder, setup_script(site, place, exports))


def plan_worker(stage: str, site: Site, place: Place, private: Path, scheduler: str) -> Job:
    """Return a job of workers of a stage's driver.

    Args:
        stage: name of the stage.
        site: the site where it runs.
        place: settings that all jobs of the run share.
        private: folder of the stage's certificate and of the workers' configuration.
        scheduler: address of the driver's scheduler.
    """
    each, logs = site.worker, RunPaths(place.run.resolve()).workers
    least, stagger = lifetime(60 * each.walltime_minutes)
    name = worker_job_name(site, place.run, stage)
    command = [
        "sbatch",
        "--parsable",
        f"--job-name={name}",
        "--no-requeue",
        f"--chdir={place.home.resolve()}",
        f"--output={str(logs).replace('%', '%%')}/%x.%j.out",
        *options(each),
        "--ntasks=1",
        f"--cpus-per-task={each.cores}",
        *memory(each),
        *workers_command(site, private, scheduler),
        f"--nworkers={each.cores}",
        f"--lifetime={least}s",
        f"--lifetime-stagger={stagger}s",
    ]
    return Job(stage, name, tuple(command), private)


def workers_command(site: Site, private: Path, scheduler: str) -> list[str]:
    """Return the command that runs workers until their scheduler is gone; other options of `dask worker` may follow."""
    limit = site.worker.memory_mb
    return [
        str(private / "worker.sbatch"),
        str(private / "setup.sh"),
        str(site.worker.interface),
        scheduler,
        "--nthreads=1",
        f"--memory-limit={f'{limit // site.worker.cores}MiB' if limit else 'auto'}",
        f"--local-directory={site.scratch}",
        "--no-dashboard",
        "--dashboard-address=127.0.0.1:0",  # where nothing is to be had, instead of at a fixed port
        f"--death-timeout={DEATH_S}s",
    ]


def worker_files(site: Site, place: Place, private: Path) -> dict[Path, str]:
    """Return the files that worker jobs read, with their contents.

    The script is a copy, as the driver's own may be within a container, where nodes do not see it.
    """
    setup = _environment(site, place, {"DASK_CONFIG": str(private)})
    script = place.scripts / "worker.sbatch"
    return {private / "setup.sh": "\n".join([*setup, ""]), private / script.name: script.read_text()}


def lifetime(walltime_s: float) -> tuple[int, int]:
    """Return the lifetime of a worker and its random spread, so that not all end at once, in seconds.

    Unfinished work is repeated elsewhere, as after the time limit, but does not count as a death of the worker.

    >>> lifetime(24 * 3600), lifetime(600)
    ((85980, 300), (480, 60))
    """
    margin, stagger = min(120, walltime_s / 10), min(300, walltime_s / 10)
    return int(walltime_s - margin - stagger), int(stagger)


def options(asked: Resources) -> list[str]:
    """Return resources as options of sbatch, except memory, processors and tasks."""
    named = {
        "partition": asked.partition,
        "account": asked.account,
        "qos": asked.qos,
        "constraint": asked.constraint,
        "gres": asked.gres,
        "time": asked.walltime_minutes,
    }
    return [f"--{key}={value}" for key, value in named.items() if value is not None] + list(asked.directives)


def setup_script(site: Site, place: Place, exports: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return the script that prepares a job's environment, and defines the functions that run its command."""
    return "\n".join([*_environment(site, place, exports), f"source {shlex.quote(str(place.scripts / 'lib.sh'))}", ""])


def _environment(site: Site, place: Place, exports: Mapping[str, str]) -> list[str]:
    """Return the lines that prepare a job's environment: modules, activation, interpreter, interface, exports."""
    interface = shlex.quote(site.train.interface or "")
    return [
        f"# The environment of jobs at the site {site.name}; hpcflow wrote this file when the job was submitted.",
        *(f"module load {shlex.quote(module)} || return" for module in site.modules),
        *site.activate,
        f"HPCFLOW_PYTHON=({shlex.join(_python(site, place))})",
        f"HPCFLOW_SRUN=({shlex.join(site.train.srun)})",
        *([f"export GLOO_SOCKET_IFNAME={interface} NCCL_SOCKET_IFNAME={interface}"] if site.train.interface else []),
        *(f"export {name}={shlex.quote(value)}" for name, value in exports.items()),
    ]


def memory(asked: Resources) -> list[str]:
    """Return the memory of a job as an option of sbatch, if the site takes it."""
    return [] if asked.memory_mb is None else [f"--mem={asked.memory_mb}M"]


def _python(site: Site, place: Place) -> Sequence[str]:
    """Return the command that runs Python on the nodes."""
    said = site.python or place.python
    return [said] if isinstance(said, str) else said


def _asked(stage: str, site: Site) -> tuple[str, list[str]]:
    """Return the kind of a stage's job, and its tasks, processors and memory as options of sbatch."""
    if stage == "train":
        train = site.train
        spread = [
            f"--nodes={train.nodes}",
            f"--ntasks={train.ranks}",
            f"--ntasks-per-node={train.ranks // train.nodes}",
        ]
        return "train", [*spread, f"--cpus-per-task={train.cores}", *memory(train)]
    if stage != "report" and site.pool == "runner":
        total, tasks = site.worker.memory_mb, site.workers * site.worker.cores + 2  # two for driver and scheduler
        each = [] if total is None else [f"--mem-per-cpu={-(-total // site.worker.cores)}M"]
        return "worker", [f"--ntasks={tasks}", "--cpus-per-task=1", *each]
    driver = site.driver
    return "driver", ["--ntasks=1", f"--cpus-per-task={driver.cores}", *memory(driver)]
