"""Workers for a stage, wherever they run."""

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
    """Start workers for one stage of a run, yield them, and end them afterwards.

    Args:
        where: where to run them.
        most: largest number of workers that there is work for.
        run: the run folder, which the workers of a site must see under the same path.
        stage: name of the stage.

    Raises:
        InputError: if the site names no network interface.
    """
    if isinstance(where, InProcess):
        return _this_process(where)
    if isinstance(where, Here):
        return local_workers(min(where.workers, most), run, stage)
    if not (where.driver.interface and where.worker.interface):
        raise InputError(
            f"the site {where.name} names no interface, and workers would listen on all; set interface in its file "
            "to the one between nodes, e.g. ib0 (`ip -brief address` on a node lists them)"
        )
    if where.pool == "runner":
        from hpcflow.compute.runner import runner_workers

        return runner_workers(where, run, stage)
    from hpcflow.compute.jobqueue import job_workers

    return job_workers(where, most, run, stage)


@contextmanager
def _this_process(where: InProcess) -> Iterator[InProcess]:
    """Yield this process as if it were a new worker, and forget afterwards what it has loaded."""
    forget()
    try:
        yield where
    finally:
        forget()
