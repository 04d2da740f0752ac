"""The one loop that every stage runs: map missing partitions over workers, and set failures aside."""

import errno
from collections.abc import Callable, Sequence
from itertools import islice

from distributed import Client, as_completed

from hpcflow.errors import DiskFullError
from hpcflow.store.partitions import Partition

__all__ = ["map_partitions"]

AHEAD = 4  # partitions per worker that wait there; the driver's memory does not grow with their number


def map_partitions(
    client: Client,
    task: Callable[[str, Partition], None],
    argument: str,
    todo: Sequence[Partition],
    done: Callable[[Partition], None],
    retries: int = 1,
) -> dict[Partition, str]:
    """Run `task(argument, partition)` for every partition; tasks write their own results and return nothing.

    Args:
        client: of the workers.
        task: what a worker does; it must be importable there.
        argument: what every task is told, e.g. the run folder: workers load the rest themselves, once.
        todo: partitions to do.
        done: is told of each that succeeded.
        retries: how often a failed task is tried again.

    Returns:
        the reasons of those that failed, in the order of the partitions.

    Raises:
        DiskFullError: if one found the disk full, as all that follow would.
    """
    failed: dict[Partition, str] = {}
    waiting = iter(todo)
    width = AHEAD * max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
    futures = {}

    def submit(partition: Partition) -> object:
        key = f"{task.__name__}-{partition.index}"
        future = client.submit(task, argument, partition, key=key, retries=retries, pure=False)
        futures[future.key] = partition
        return future

    running = as_completed([submit(partition) for partition in islice(waiting, width)])
    for future in running:
        partition = futures.pop(future.key)
        if future.status == "finished":
            done(partition)
        else:
            error = future.exception()
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFullError(
                    f"{argument}: {error.strerror}; what is finished is kept: make room and run the same command again"
                ) from error
            failed[partition] = _reason(error)
        future.release()
        for following in islice(waiting, 1):
            running.add(submit(following))
    return dict(sorted(failed.items(), key=lambda item: item[0].index))


def _reason(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}" if error else "cancelled"
