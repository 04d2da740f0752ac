"""The meeting point of the processes of one training, from the environment of torchrun, srun or hpcflow's launcher."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hpcflow.base.errors import InputError

__all__ = ["Rendezvous", "find_rendezvous", "hosts"]

PORTS = range(15_000, 32_000)  # below the ephemeral ports of operating systems


@dataclass(frozen=True)
class Rendezvous:
    """One process's place among those that train together.

    Args:
        rank: number of this process, from 0.
        size: number of processes.
        local: number of this process among those of its machine.
        beside: number of processes that share this machine's processors.
        method: how they find each other, as an init_method of torch.distributed.
        one_machine: whether all processes are on this machine, so that the loopback interface suffices.
    """

    rank: int
    size: int
    local: int
    beside: int
    method: str
    one_machine: bool


def find_rendezvous(environment: Mapping[str, str]) -> Rendezvous | None:
    """Return the place of this process, or None if it trains on its own.

    Args:
        environment: environment variables of the process.

    Raises:
        InputError: if a needed variable is missing or not a number.
    """
    try:
        if "HPCFLOW_RANK" in environment:
            return _launched(environment)
        if "RANK" in environment and "WORLD_SIZE" in environment:
            return _torchrun(environment)
        if "SLURM_PROCID" in environment and "SLURM_STEP_ID" in environment:
            # A batch script has SLURM_NTASKS as well, but is a single process; only steps of srun have several.
            return _srun(environment) if int(environment.get("SLURM_NTASKS", "1")) > 1 else None
    except KeyError as e:
        raise InputError(f"the environment lacks {e.args[0]}; start training with torchrun, srun or --ranks") from e
    except ValueError as e:
        raise InputError(
            f"the environment does not give this process a valid rank ({e}); start it with torchrun, srun or --ranks"
        ) from e
    return None


def hosts(compressed: str) -> Iterator[str]:
    """Yield the host names of a list in SLURM's compressed form, in order.

    >>> list(hosts("node[03-05,9]-ib,login"))
    ['node03-ib', 'node04-ib', 'node05-ib', 'node9-ib', 'login']

    Raises:
        ValueError: if the text is not such a list.
    """
    parts = re.findall(r"(?:\[[^]]*]|[^,[])+", compressed)
    if ",".join(parts) != compressed:
        raise ValueError(f"{compressed!r} is not a list of hosts")
    for part in parts:
        yield from _expanded(part)


def _expanded(name: str) -> Iterator[str]:
    before, bracket, rest = name.partition("[")
    if not bracket:
        if not name or "]" in name:
            raise ValueError(f"{name!r} is not a list of hosts")
        yield name
        return
    inside, _, after = rest.partition("]")
    for piece in inside.split(","):
        first, dash, last = piece.partition("-")
        for number in range(int(first), int(last if dash else first) + 1):
            yield from (f"{before}{number:0{len(first)}d}{tail}" for tail in (_expanded(after) if after else [""]))


def _launched(environment: Mapping[str, str]) -> Rendezvous:
    rank, size = int(environment["HPCFLOW_RANK"]), int(environment["HPCFLOW_RANKS"])
    # A file, so that no port is open while the processes look for each other.
    return Rendezvous(rank, size, rank, size, f"file://{environment['HPCFLOW_RENDEZVOUS']}", one_machine=True)


def _torchrun(environment: Mapping[str, str]) -> Rendezvous:
    rank, size = int(environment["RANK"]), int(environment["WORLD_SIZE"])
    beside = int(environment.get("LOCAL_WORLD_SIZE", size))
    return Rendezvous(rank, size, int(environment["LOCAL_RANK"]), beside, "env://", one_machine=beside == size)


def _srun(environment: Mapping[str, str]) -> Rendezvous:
    size = int(environment["SLURM_NTASKS"])
    nodes = list(hosts(environment.get("SLURM_STEP_NODELIST") or environment["SLURM_JOB_NODELIST"]))
    if not nodes:
        raise ValueError("SLURM_STEP_NODELIST names no host")
    # Steps of one job may run side by side.
    port = PORTS[(int(environment["SLURM_JOB_ID"]) + 101 * int(environment["SLURM_STEP_ID"])) % len(PORTS)]
    # jobs/train.sbatch sets the address of rank 0's node, because the node's name may belong to another network.
    first = environment.get("MASTER_ADDR") or nodes[0]
    return Rendezvous(
        rank=int(environment["SLURM_PROCID"]),
        size=size,
        local=int(environment["SLURM_LOCALID"]),
        # With --cpus-per-task, SLURM has already given each process its own processors.
        beside=1 if "SLURM_CPUS_PER_TASK" in environment else math.ceil(size / len(nodes)),
        method=f"tcp://{first}:{port}",
        one_machine=len(nodes) == 1,
    )
