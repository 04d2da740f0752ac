"""Where workers are: on this machine, or at a site."""

from dataclasses import dataclass

from hpcflow.compute.site import Site

__all__ = ["Here", "Where"]


@dataclass(frozen=True)
class Here:
    """Worker processes of this machine.

    Args:
        workers: how many.
    """

    workers: int


Where = Here | Site
