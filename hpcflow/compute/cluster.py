"""Workers, wherever they are: the door to the files beside it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from hpcflow.base.errors import InputError
from hpcflow.compute.local import local_workers
from hpcflow.compute.once import forget
from hpcflow.compute.where import Here, InProcess, Where
from hpcflow.compute.workers import Workers

__all__ = ["workers_at"]


def workers_at(where: Where, most: int, run: Path, stage: str) -> AbstractContextManager[Workers | InProcess]:
    """Give workers for one stage of a run, and end them afterwards.

    Args:
        where: they are.
        most: that there is work for.
        run: its folder, which the workers of a site must see under the same path.
        stage: the name of what they do.

    Raises:
        InputError: if the site takes no jobs.
    """
    if isinstance(where, InProcess):
        return _this_process(where)
    if isinstance(where, Here):
        return local_workers(min(where.workers, most))
    if not where.interface:
        raise InputError(
            f"the site {where.name} names no interface, and workers would listen on all; set interface in its file "
            "to that between nodes, e.g. ib0 (`ip -brief address` on a node lists them)"
        )
    if where.pool == "runner":
        from hpcflow.compute.runner import runner_workers

        return runner_workers(where, run, stage)
    from hpcflow.compute.jobqueue import job_workers

    return job_workers(where, most, run, stage)


@contextmanager
def _this_process(where: InProcess) -> Iterator[InProcess]:
    """Give this process as a worker that has just started, and forget afterwards what it loaded."""
    forget()
    try:
        yield where
    finally:
        forget()
