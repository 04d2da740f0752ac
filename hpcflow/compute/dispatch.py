"""The one loop that every stage runs: map missing partitions over workers, and set failures aside."""

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from queue import Empty, SimpleQueue
from uuid import uuid4

from dask.typing import Key
from distributed import Future, KilledWorker

from hpcflow.base.errors import DiskFullError
from hpcflow.base.partitions import Partition
from hpcflow.compute.workers import DEATHS, Workers

__all__ = ["map_partitions"]

AHEAD = 4  # partitions per worker that the scheduler knows of; the driver's memory does not grow with their number
CHECK_S = 0.5
ENDED = ("finished", "error", "cancelled")


def map_partitions(
    workers: Workers,
    task: Callable[[str, Partition], None],
    argument: str,
    todo: Sequence[Partition],
    done: Callable[[Partition], None],
    retries: int = 1,
    check: Callable[[], None] = lambda: None,
) -> dict[Partition, str]:
    """Run `task(argument, partition)` for every partition; tasks write their own results and return nothing.

    A worker that dies costs time only: what it had begun is done again by another. Who is to blame when several
    partitions were with it cannot be known, so those that were with too many are tried again at the end, one at a time.

    Args:
        workers: who does it.
        task: what a worker does; it must be importable there.
        argument: what every task is told, e.g. the run folder: workers load the rest themselves, once.
        todo: partitions to do.
        done: is told of each that succeeded.
        retries: how often a failed task is tried again.
        check: is called every now and then; what it raises ends the loop.

    Returns:
        the reasons of those that failed, in the order of the partitions.

    Raises:
        DiskFullError: if one found the disk full, as all that follow would.
    """
    failed: dict[Partition, str] = {}
    suspects: list[Partition] = []

    def run(partitions: Iterable[Partition], width: int) -> Iterator[tuple[Partition, BaseException | None]]:
        group = f"{task.__name__}-{uuid4().hex}"  # another call's tasks are others, though their partitions be the same

        def submit(p: Partition) -> Future[None]:
            return workers.client.submit(task, argument, p, key=(group, p.index), retries=retries, pure=False)

        for partition, future, status in _finished(partitions, submit, width, check, workers):
            if status == "finished":
                done(partition)
            else:
                error = future.exception()
                _raise_if_disk_full(argument, error)
                yield partition, error
            future.release()

    for partition, error in run(todo, AHEAD * workers.count):
        if isinstance(error, KilledWorker):
            suspects.append(partition)
        else:
            failed[partition] = _reason(error)
    for suspect in suspects:
        for partition, error in run([suspect], 1):
            killed = isinstance(error, KilledWorker)
            failed[partition] = KILLER if killed else _reason(error)
    return dict(sorted(failed.items(), key=lambda item: item[0].index))


KILLER = (
    f"{2 * DEATHS} workers died with it, {DEATHS} of them while they did nothing else; "
    "their logs may say why, and memory that ran out often is"
)


def _finished(
    partitions: Iterable[Partition],
    submit: Callable[[Partition], Future[None]],
    width: int,
    check: Callable[[], None],
    workers: Workers,
) -> Iterator[tuple[Partition, Future[None], str]]:
    """Give partitions as they end, and how, with `width` of them submitted at a time."""
    ended: SimpleQueue[Future[None]] = SimpleQueue()
    running: dict[Key, tuple[Partition, Future[None]]] = {}
    waiting = iter(partitions)

    def start(count: int) -> None:
        for partition in islice(waiting, count):
            future = submit(partition)
            running[future.key] = partition, future
            future.add_done_callback(ended.put)

    start(width)
    while running:
        check()
        workers.check()
        try:
            future = ended.get(timeout=CHECK_S)
        except Empty:
            continue
        status = future.status
        if status not in ENDED:  # its worker died since, and Dask does it again
            future.add_done_callback(ended.put)
            continue
        yield *running.pop(future.key), status
        start(1)


def _raise_if_disk_full(argument: str, error: BaseException | None) -> None:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise DiskFullError(
            f"{argument}: {error.strerror}; what is finished is kept: make room and run the same command again"
        ) from error


def _reason(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}" if error else "cancelled"
