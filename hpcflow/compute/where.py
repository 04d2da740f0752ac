"""Where workers run: on this machine, in this process, or at a site."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from hpcflow.compute.site import Site

__all__ = ["Here", "InProcess", "Where"]


@dataclass(frozen=True)
class Here:
    """Worker processes on this machine.

    Args:
        workers: number of processes.
    """

    workers: int


@dataclass(frozen=True)
class InProcess:
    """This process as the only worker, which takes one partition after the other, for tests and debuggers.

    It is not protected against a partition that crashes or hangs; everything else is the same as with workers.
    """

    name: ClassVar[str] = "this process"

    def running(self) -> Sequence[float]:
        """Return nothing: while a partition is in flight, this process does not ask."""
        return ()


Where = Here | InProcess | Site
