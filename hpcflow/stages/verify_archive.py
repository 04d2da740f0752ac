"""`hpcflow infer --verify`: is the archive still what was inferred?"""

from hpcflow.base.errors import FailedPartitionsError, InputError
from hpcflow.stages.progress import log, log_to, tracked
from hpcflow.stages.run import Run
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.damage import DamagedError

__all__ = ["verify_archive"]


def verify_archive(run: Run) -> int:
    """Read the photometry and every finished partition again, and return how many partitions there are of these.

    A damaged partition is marked as not inferred, so that `hpcflow infer` makes it anew.

    Raises:
        InputError: if there is no archive, or its photometry is damaged.
        FailedPartitionsError: if partitions are damaged.
    """
    archive = PosteriorArchive.open(run.posteriors)
    missing = set(archive.missing())
    finished = [partition for partition in archive.partitions if partition not in missing]
    damaged: dict[int, str] = {}
    try:
        archive.check()
    except DamagedError as e:
        raise InputError(
            f"{run.posteriors}: the photometry is damaged ({e}); restore it, or remove the archive to make it anew"
        ) from e
    with log_to(run.log("infer")), tracked("verify", sum(map(len, finished))) as advance:
        for partition in finished:
            try:
                archive.check(partition)
            except DamagedError as e:
                damaged[partition.index] = str(e)
                archive.forget(partition)
            advance(len(partition), "")
        log.info("verify: %d of %d partitions read, %d damaged", len(finished), len(archive.partitions), len(damaged))
    if damaged:
        first, reason = next(iter(damaged.items()))
        raise FailedPartitionsError(
            f"{run.posteriors}: {len(damaged)} partitions are damaged, first {first} ({reason:.200}); "
            "they are marked as not inferred: run `hpcflow infer` to make them anew"
        )
    return len(finished)
