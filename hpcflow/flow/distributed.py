"""Processes that train one flow together (the only file that imports torch.distributed)."""

import ipaddress
import os
import socket
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from hpcflow.base.errors import HpcflowError, InputError, LostRankError
from hpcflow.flow.rendezvous import Rendezvous, find_rendezvous

__all__ = ["ALONE", "Ranks", "join_ranks", "roll_call"]

TIMEOUT = timedelta(minutes=30)  # long enough for rank 0 to read and write while the others wait
MEET = timedelta(minutes=2)  # for all ranks to start


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together; all of them must call every method except `threads`.

    Args:
        rank: number of this process, from 0.
        size: number of processes.
        device: the device this process computes on.
        beside: number of processes that share this machine's processors.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    beside: int = 1

    @property
    def lead(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def threads(self, workers: int) -> int:
        """Return this process's share of a machine's `workers` processors, at least one."""
        return max(1, workers // self.beside)

    def wrap(self, module: nn.Module) -> nn.Module:
        """Return a module whose gradients are the mean over all ranks, and whose weights are rank 0's."""
        if self.size == 1:
            return module
        devices = [self.device] if self.device.type == "cuda" else None
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*broadcast_buffers")  # not all versions have its successor
            return DistributedDataParallel(module, device_ids=devices, broadcast_buffers=False)

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum over ranks of a tensor (...), the same on all of them."""
        total = tensor.detach().clone()
        if self.size > 1:
            dist.all_reduce(total)
        return total

    def any(self, flag: bool) -> bool:
        """Return whether any rank's flag is set."""
        return bool(self.sum(torch.tensor(float(flag), device=self.device)) > 0) if self.size > 1 else flag

    def agree(self, tensors: Sequence[Tensor]) -> None:
        """Overwrite tensors with those of rank 0."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def barrier(self) -> None:
        """Wait for all ranks."""
        self.any(False)

    def alone(self, action: Callable[[], None]) -> None:
        """Run an action on rank 0 while the others wait.

        Raises:
            HpcflowError: on all ranks if the action fails, with the exit code of rank 0's error.
        """
        failure: Exception | None = None
        if self.lead:
            try:
                action()
            except Exception as e:
                failure = e
        code = 0 if failure is None else failure.exit_code if isinstance(failure, HpcflowError) else 3
        code = int(self.sum(torch.tensor(code, device=self.device)))
        if failure is not None:
            raise failure
        if code:
            error = HpcflowError("this process stopped because rank 0 failed; see the error of rank 0")
            error.exit_code = code
            raise error


ALONE = Ranks()


@contextmanager
def join_ranks() -> Iterator[Ranks]:
    """Join the processes that torchrun, srun or `--ranks` started, and yield this one's place; it may be the only one.

    Raises:
        InputError: if the environment is incomplete, the network interface is missing, or there are fewer GPUs than
            processes.
        LostRankError: if another of the processes ends early.
    """
    place = find_rendezvous(os.environ)
    if place is None:
        yield Ranks(device=torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        return
    device = _device(place)
    if place.one_machine:
        loopback = "lo0" if sys.platform == "darwin" else "lo"
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback)
        os.environ.setdefault("NCCL_SOCKET_IFNAME", loopback)
    _refuse_missing_interfaces(os.environ.get("GLOO_SOCKET_IFNAME", ""))
    try:
        dist.init_process_group(
            "nccl" if device.type == "cuda" else "gloo",
            store=_meeting(place),
            rank=place.rank,
            world_size=place.size,
            timeout=TIMEOUT,
        )
        yield Ranks(place.rank, place.size, device, place.beside)
    except RuntimeError as e:
        if isinstance(e, dist.DistError) or "gloo" in str(e):
            raise LostRankError(
                f"rank {place.rank} of {place.size} lost the others: one of them has ended or is unreachable; "
                "see its messages, then run the same command again to resume"
            ) from e
        raise
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def roll_call() -> tuple[int, int] | None:
    """Return the number of processes that met and of GPUs that one sees on rank 0, None on the others."""
    with join_ranks() as ranks:
        met = int(ranks.sum(torch.ones((), device=ranks.device)))
        return (met, torch.cuda.device_count()) if ranks.lead else None


def _meeting(place: Rendezvous) -> Any:
    """Return the store at which all ranks have met, after waiting for them.

    Raises:
        LostRankError: if some do not come.
    """
    try:
        store = _store(place)
    except RuntimeError as e:
        raise LostRankError(
            f"rank {place.rank} does not reach rank 0 at {place.method} within {MEET.seconds} s; see whether rank 0 "
            "has started, and whether `interface` of the site is the network between nodes"
        ) from e
    here = [f"here/{rank}" for rank in range(place.size)]
    store.set(here[place.rank], "")
    try:
        store.wait(here, MEET)
    except RuntimeError as e:
        absent = ", ".join(str(rank) for rank, key in enumerate(here) if not store.check([key]))
        raise LostRankError(
            f"of {place.size} ranks these did not come to rank {place.rank} within {MEET.seconds} s: {absent}; "
            "see their messages, then run the same command again"
        ) from e
    store.set_timeout(TIMEOUT)
    return store


def _refuse_missing_interfaces(names: str) -> None:
    """Raise if this machine lacks a network interface, before the others wait for it in vain."""
    there = [name for _, name in socket.if_nameindex()]
    if missing := [name for name in filter(None, names.split(",")) if name.partition(":")[0] not in there]:
        raise InputError(
            f"{socket.gethostname()} has no network interface {missing[0]}; it has {', '.join(there)}: "
            "set `interface` of the site, or GLOO_SOCKET_IFNAME, to one of them"
        )


def _store(place: Rendezvous) -> Any:
    """Return the store that the ranks share; at an IP address, rank 0 listens on this address only."""
    where = urlsplit(place.method)
    try:
        address = ipaddress.ip_address(where.hostname or "")
    except ValueError:
        meeting = dist.rendezvous(place.method, place.rank, place.size, timeout=MEET)  # type: ignore[attr-defined]
        return next(meeting)[0]
    own = None
    if place.rank == 0:
        try:
            family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
            own = socket.create_server((str(address), where.port or 0), family=family).detach()
        except OSError as e:
            raise LostRankError(
                f"rank 0 cannot listen on {where.netloc} ({e.strerror}); run the same command again"
            ) from e
    return dist.TCPStore(  # type: ignore[attr-defined]  # this is its documented name
        where.hostname or "",
        where.port or 0,
        place.size,
        is_master=own is not None,
        timeout=MEET,
        wait_for_workers=False,
        master_listen_fd=own,
    )


def _device(place: Rendezvous) -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    there = torch.cuda.device_count()
    # Under srun a process may see only its own GPU.
    own = there == 1 and not place.method.startswith("file:")
    if place.local >= there and not own:
        raise InputError(f"{place.beside} processes share {there} GPUs; start at most one process per GPU")
    device = torch.device("cuda", 0 if own else place.local)
    torch.cuda.set_device(device)
    return device
