"""The loop that every stage runs: map missing partitions over workers, and set failures aside."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from itertools import islice
from queue import Empty, SimpleQueue
from uuid import uuid4

from dask.typing import Key
from distributed import Future, KilledWorker

from hpcflow.base.errors import InputError
from hpcflow.base.machine import limit_error
from hpcflow.base.partitions import Partition
from hpcflow.compute.where import InProcess
from hpcflow.compute.workers import DEATHS, Workers

__all__ = ["map_partitions"]

Task = Callable[[str, Partition], None]
Ended = tuple[Partition, BaseException | None]  # the exception it raised, if any

AHEAD = 4  # partitions per worker in the scheduler; the driver's memory does not grow with their total number
CHECK_S = 0.5
SCHEDULER_S = 120.0  # without its scheduler, after which a client gives up
CANCELLATIONS = 5  # times to submit a partition again that the client gave up
SUSPECTS = 8  # partitions in a row that lost too many workers, at least, before these are to blame
ENDED = ("finished", "error", "cancelled")


def map_partitions(
    workers: Workers | InProcess,
    task: Task,
    argument: str,
    todo: Sequence[Partition],
    done: Callable[[Partition], None],
    retries: int = 1,
    check: Callable[[], None] = lambda: None,
) -> dict[Partition, str]:
    """Run `task(argument, partition)` for every partition; tasks write their own results and return nothing.

    A worker that dies costs only time: another one repeats its unfinished work. If it had several partitions, nobody
    can tell which one killed it, so partitions that lost too many workers are tried again at the end, one at a time.

    Args:
        workers: the workers to use.
        task: function that workers run; they must be able to import it.
        argument: argument of every task, e.g. the run folder; workers load everything else themselves, once.
        todo: partitions to process.
        done: function called with each partition that succeeded.
        retries: number of times to try a failed task again.
        check: function called every now and then; an exception of it ends the loop.

    Returns:
        The reason of each failure, in the order of the partitions.

    Raises:
        LimitError: if a task hit a limit of the machine, such as a full disk, because all later ones would, too.
        InputError: if workers die with one partition after the other.
    """
    failed: dict[Partition, str] = {}
    suspects: list[Partition] = []
    in_a_row: list[Partition] = []  # suspects since a partition was last finished

    def run(partitions: Iterable[Partition], alone: bool = False) -> Iterator[tuple[Partition, BaseException]]:
        if isinstance(workers, InProcess):
            ended = _in_turn(task, argument, partitions, retries, check)
        else:
            width = 1 if alone else AHEAD * workers.count
            ended = _by_workers(workers, task, argument, partitions, retries, check, width)
        for partition, error in ended:
            if error is None:
                in_a_row.clear()
                done(partition)
            else:
                if limit := limit_error(error, argument):
                    raise limit from error
                yield partition, error

    for partition, error in run(todo):
        if isinstance(error, KilledWorker):
            suspects.append(partition)
            in_a_row.append(partition)
            _raise_if_hopeless(workers, len(in_a_row))
        else:
            failed[partition] = _reason(error)
    for suspect in suspects:
        for partition, error in run([suspect], alone=True):
            failed[partition] = KILLER if isinstance(error, KilledWorker) else _reason(error)
    return dict(sorted(failed.items(), key=lambda item: item[0].index))


KILLER = (
    f"{2 * DEATHS} workers died with it, {DEATHS} of them while doing nothing else; "
    "see their logs for the reason, which is often a lack of memory"
)


def _in_turn(
    task: Task, argument: str, partitions: Iterable[Partition], retries: int, check: Callable[[], None]
) -> Iterator[Ended]:
    """Process partitions in this process, one after the other."""
    for partition in partitions:
        check()
        error: Exception | None = None
        for _ in range(1 + retries):
            try:
                task(argument, partition)
            except Exception as e:
                error = e
            else:
                error = None
                break
        yield partition, error


def _by_workers(
    workers: Workers,
    task: Task,
    argument: str,
    partitions: Iterable[Partition],
    retries: int,
    check: Callable[[], None],
    width: int,
) -> Iterator[Ended]:
    """Process partitions on workers, and yield each as it ends."""
    group = f"{task.__name__}-{uuid4().hex}"  # keys differ from those of other calls with the same partitions

    def submit(p: Partition, attempt: int) -> Future[None]:
        return workers.client.submit(task, argument, p, key=(group, p.index, attempt), retries=retries, pure=False)

    for partition, future, status in _finished(partitions, submit, width, check, workers):
        yield partition, None if status == "finished" else future.exception() or CancelledError("Dask cancelled it")
        future.release()


def _finished(
    partitions: Iterable[Partition],
    submit: Callable[[Partition, int], Future[None]],
    width: int,
    check: Callable[[], None],
    workers: Workers,
) -> Iterator[tuple[Partition, Future[None], str]]:
    """Yield partitions and their statuses as they end, with at most `width` of them submitted at a time.

    A client that loses its scheduler for a moment, because the machine was suspended or overloaded, gives up all that
    it has submitted. That is no fault of the partitions, so they are submitted again.
    """
    ended: SimpleQueue[Future[None]] = SimpleQueue()
    running: dict[Key, tuple[Partition, Future[None]]] = {}
    waiting, attempts = iter(partitions), Counter[Partition]()

    def start(chosen: Iterable[Partition]) -> None:
        for partition in chosen:
            future = submit(partition, attempts[partition])
            running[future.key] = partition, future
            future.add_done_callback(ended.put)

    start(islice(waiting, width))
    while running:
        check()
        workers.check()
        try:
            future = ended.get(timeout=CHECK_S)
        except Empty:
            continue
        status = future.status
        if status not in ENDED:  # its worker has died meanwhile, and Dask runs it again
            future.add_done_callback(ended.put)
            continue
        partition, _ = running.pop(future.key)
        if status == "cancelled" and attempts[partition] < CANCELLATIONS:
            attempts[partition] += 1
            _wait_for_scheduler(workers)
            start([partition])
            continue
        yield partition, future, status
        start(islice(waiting, 1))


def _wait_for_scheduler(workers: Workers) -> None:
    """Wait until the client has its scheduler again.

    Raises:
        InputError: if it does not within two minutes.
    """
    deadline = time.monotonic() + SCHEDULER_S
    while workers.client.status != "running":
        if time.monotonic() > deadline:
            raise InputError(
                f"the driver has lost its own scheduler for {SCHEDULER_S / 60:.0f} minutes, as if the machine had been "
                "suspended; give the same command again, which goes on from here"
            )
        time.sleep(CHECK_S)


def _raise_if_hopeless(workers: Workers | InProcess, in_a_row: int) -> None:
    """Raise if it is not the partitions that workers die of."""
    if not isinstance(workers, InProcess) and in_a_row >= max(SUSPECTS, 2 * workers.count):
        raise InputError(
            f"workers died with {in_a_row} partitions in a row, {DEATHS} with each, and finished none; see their logs "
            "for the reason, which is often a lack of memory (worker.memory_gb at a site)"
        )


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
