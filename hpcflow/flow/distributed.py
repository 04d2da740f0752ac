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

TIMEOUT = timedelta(minutes=30)  # rank 0 may read and write while the others wait


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together; every method but `threads` is called by all of them.

    Args:
        rank: number of this process, from 0.
        size: number of processes.
        device: where this one computes.
        beside: processes that share this machine's processors.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    beside: int = 1

    @property
    def lead(self) -> bool:
        """Whether this is the one process that writes."""
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
            warnings.filterwarnings("ignore", message=".*broadcast_buffers")  # its successor is not in every version
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
        """Overwrite tensors by rank 0's."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def barrier(self) -> None:
        """Wait for all ranks."""
        self.any(False)

    def alone(self, action: Callable[[], None]) -> None:
        """Have rank 0 do something while the others wait.

        Raises:
            HpcflowError: on all ranks where it fails; on the others with the exit code of rank 0's error.
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
            error = HpcflowError("this process ends because rank 0 did; it says why")
            error.exit_code = code
            raise error


ALONE = Ranks()


@contextmanager
def join_ranks() -> Iterator[Ranks]:
    """Give this process's place among those that torchrun, srun or `--ranks` started; it may be the only one.

    Raises:
        InputError: if the environment says half, or there are fewer GPUs than processes.
        LostRankError: if another of the processes ends before its time.
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
    try:
        dist.init_process_group(
            "nccl" if device.type == "cuda" else "gloo",
            **_meeting(place),
            rank=place.rank,
            world_size=place.size,
            timeout=TIMEOUT,
        )
        yield Ranks(place.rank, place.size, device, place.beside)
    except RuntimeError as e:
        if isinstance(e, dist.DistError) or "gloo" in str(e):
            raise LostRankError(
                f"rank {place.rank} of {place.size} lost the others, one of which must have ended or be unreachable; "
                "see what it said, then run the same command again to go on"
            ) from e
        raise
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def roll_call() -> tuple[int, int] | None:
    """Return how many processes found each other and how many GPUs one sees; None on all but rank 0."""
    with join_ranks() as ranks:
        met = int(ranks.sum(torch.ones((), device=ranks.device)))
        return (met, torch.cuda.device_count()) if ranks.lead else None


def _meeting(place: Rendezvous) -> dict[str, Any]:
    """Return how the processes meet as init_process_group takes it; at an address, rank 0 listens on no other."""
    where = urlsplit(place.method)
    try:
        ipaddress.ip_address(where.hostname or "")
    except ValueError:
        return {"init_method": place.method}
    own = None
    if place.rank == 0:
        try:
            own = socket.create_server((where.hostname or "", where.port or 0)).detach()
        except OSError as e:
            raise LostRankError(
                f"rank 0 cannot listen on {where.netloc} ({e.strerror}); run the same command again"
            ) from e
    store = dist.TCPStore(  # type: ignore[attr-defined]  # it is documented so
        where.hostname or "",
        where.port or 0,
        place.size,
        is_master=own is not None,
        timeout=TIMEOUT,
        wait_for_workers=False,
        master_listen_fd=own,
    )
    return {"store": store}


def _device(place: Rendezvous) -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    there = torch.cuda.device_count()
    # Under srun a process may see one GPU, its own.
    own = there == 1 and not place.method.startswith("file:")
    if place.local >= there and not own:
        raise InputError(f"{place.beside} processes share {there} GPUs; start at most one for each GPU")
    device = torch.device("cuda", 0 if own else place.local)
    torch.cuda.set_device(device)
    return device
