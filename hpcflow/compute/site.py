"""The settings of a SLURM cluster, as read from a site file under slurm/sites."""

import re
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Resources", "Site"]

PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Resources:
    """The resources of one kind of job.

    Args:
        partition: partition to submit to; None for the cluster's default.
        account: account to charge.
        qos: quality of service.
        constraint: required features of the nodes.
        gres: generic resources of each node, e.g. "gpu:a100:4".
        walltime_minutes: time limit; a job that is not finished by then resumes in the next one.
        memory_gb: memory of each node; None at a site that gives it by the processor or the node, and takes no --mem.
        cores: number of processors: of the driver; of a worker job, which runs as many single-threaded workers; of a
            rank in training.
        nodes: number of nodes of a training job; other jobs take one.
        ranks: number of processes of a training job, spread evenly over its nodes; other jobs have one.
        interface: network interface between nodes, e.g. "ib0", the only one that hpcflow listens on.
        directives: further options of sbatch, e.g. "--exclusive".
        srun: further options of srun, which starts the ranks of a training and the workers of `pool: runner`.
    """

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    gres: str | None = None
    walltime_minutes: int = 60
    memory_gb: float | None = 4.0
    cores: int = 1
    nodes: int = 1
    ranks: int = 1
    interface: str | None = None
    directives: tuple[str, ...] = ()
    srun: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        memory_gb = 1.0 if self.memory_gb is None else self.memory_gb
        if min(self.walltime_minutes, self.cores, self.nodes, self.ranks, memory_gb) <= 0:
            raise ValueError("walltime_minutes, memory_gb, cores, nodes and ranks must be positive")
        if self.ranks % self.nodes:
            raise ValueError(f"ranks ({self.ranks}) must be a multiple of nodes ({self.nodes})")
        options = (("directives", self.directives, "sbatch", "--exclusive"), ("srun", self.srun, "srun", "--mpi=none"))
        for key, given, command, example in options:
            for option in given:
                if not option.startswith("-") or "\n" in option:
                    raise ValueError(f"{key}: {option!r} is not an option of {command}, such as {example}")

    @property
    def memory_mb(self) -> int | None:
        """Memory in MiB, the unit of --mem."""
        return None if self.memory_gb is None else round(self.memory_gb * 1024)


@dataclass(frozen=True)
class Site:
    """A SLURM cluster and how to use it.

    Args:
        name: name of the site.
        driver: resources of the job that hands out a stage's partitions and computes nothing itself.
        worker: resources of a job of Dask workers.
        train: resources of the training job.
        workers: largest number of worker jobs of a stage.
        pool: where workers run: "jobs", in jobs submitted by the driver; or "runner", in the driver's own allocation,
            for centres where jobs cannot call sbatch; it has the resources of `workers` worker jobs, and two more
            processors for driver and scheduler.
        scratch: folder on a node's local disk, for temporary files of Dask workers.
        modules: modules to load, in this order.
        activate: shell commands to run next, e.g. "source /project/venv/bin/activate".
        python: interpreter on the nodes, or a command and its arguments, e.g. those that start it in a container; None
            for the one that submits.
        job_prefix: beginning of every job's name.
        example: whether this is an example that has not been tried at any centre.
    """

    name: str
    driver: Resources = field(default_factory=Resources)
    worker: Resources = field(default_factory=Resources)
    train: Resources = field(default_factory=Resources)
    workers: int = 4
    pool: Literal["jobs", "runner"] = "jobs"
    scratch: str = "/tmp"
    modules: tuple[str, ...] = ()
    activate: tuple[str, ...] = ()
    python: str | tuple[str, ...] | None = None
    job_prefix: str = "hpcflow"
    example: bool = False

    def __post_init__(self) -> None:
        for key, value in (("name", self.name), ("job_prefix", self.job_prefix)):
            if not PLAIN.fullmatch(value):
                raise ValueError(
                    f"{key} must be letters, digits, dots, dashes and underscores, and not begin with a sign"
                )
        if self.workers <= 0:
            raise ValueError("workers must be positive")
        if self.python == ():
            raise ValueError("python must name an interpreter, or be left out")
        for line in (*self.modules, *self.activate):
            if "\n" in line:
                raise ValueError("each entry of modules and activate must be a single line")
