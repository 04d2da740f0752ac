"""Where workers are: on this machine, in this very process, or at a site."""

from dataclasses import dataclass
from typing import ClassVar

from hpcflow.compute.site import Site

__all__ = ["Here", "InProcess", "Where"]


@dataclass(frozen=True)
class Here:
    """Worker processes of this machine.

    Args:
        workers: how many.
    """

    workers: int


@dataclass(frozen=True)
class InProcess:
    """This process is the only worker: it does one partition after the other, as tests and debuggers want it.

    Nothing stands between it and a partition that crashes or hangs; everything else is as it is with workers.
    """

    name: ClassVar[str] = "this process"


Where = Here | InProcess | Site
