"""What a SLURM cluster wants to be told: plain values, as a site file under slurm/sites gives them."""

import re
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Resources", "Site"]

PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Resources:
    """What one kind of job asks for.

    Args:
        partition: where it queues; the cluster's default where None.
        account: who pays.
        qos: quality of service.
        constraint: features that its nodes must have.
        gres: generic resources of each node, e.g. "gpu:a100:4".
        walltime_minutes: how long it may run; one that is not finished then goes on in the next job.
        memory_gb: of each node.
        cores: processors: of the driver; of one worker job, which runs as many one-thread workers; of one rank.
        nodes: of a training; the others take one.
        ranks: processes of a training, spread evenly over its nodes; the others are one.
        directives: further options of sbatch, e.g. "--exclusive".
    """

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    gres: str | None = None
    walltime_minutes: int = 60
    memory_gb: float = 4.0
    cores: int = 1
    nodes: int = 1
    ranks: int = 1
    directives: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if min(self.walltime_minutes, self.cores, self.nodes, self.ranks, self.memory_gb) <= 0:
            raise ValueError("walltime_minutes, memory_gb, cores, nodes and ranks must be positive")
        if self.ranks % self.nodes:
            raise ValueError(f"ranks ({self.ranks}) must be a multiple of nodes ({self.nodes})")
        for directive in self.directives:
            if not directive.startswith("-") or "\n" in directive:
                raise ValueError(f"directives: {directive!r} is no option of sbatch, as --exclusive is")

    @property
    def memory_mb(self) -> int:
        """Memory in MiB, the unit of --mem."""
        return round(self.memory_gb * 1024)


@dataclass(frozen=True)
class Site:
    """A SLURM cluster, and how this user works there.

    Args:
        name: of the site.
        driver: the job that hands out a stage's partitions; it computes nothing.
        worker: a job of Dask workers.
        train: the job that trains.
        workers: how many worker jobs a stage has at most.
        pool: where workers run: "jobs" submitted by the driver; or "runner", inside the driver's own allocation, for
            centres where a job cannot call sbatch: that job has the resources of `workers` worker jobs and two more
            processors, for driver and scheduler.
        interface: network interface between nodes, e.g. "ib0"; nothing of hpcflow listens on another.
        scratch: folder of a node's own disk, for what Dask workers keep aside.
        modules: to load, in this order.
        activate: shell lines that follow, e.g. "source /project/venv/bin/activate".
        python: the interpreter on nodes; the one that submits where None.
        job_prefix: that every job's name begins with.
        example: whether this is an example that no centre has confirmed.
    """

    name: str
    driver: Resources = field(default_factory=Resources)
    worker: Resources = field(default_factory=Resources)
    train: Resources = field(default_factory=Resources)
    workers: int = 4
    pool: Literal["jobs", "runner"] = "jobs"
    interface: str | None = None
    scratch: str = "/tmp"
    modules: tuple[str, ...] = ()
    activate: tuple[str, ...] = ()
    python: str | None = None
    job_prefix: str = "hpcflow"
    example: bool = False

    def __post_init__(self) -> None:
        for key, value in (("name", self.name), ("job_prefix", self.job_prefix)):
            if not PLAIN.fullmatch(value):
                raise ValueError(f"{key} must be of letters, digits, dots, dashes and underscores")
        if self.workers <= 0:
            raise ValueError("workers must be positive")
        for line in (*self.modules, *self.activate):
            if "\n" in line:
                raise ValueError("modules and activate hold one line each")
