"""What simulate, infer and validate share: run what is missing, say what failed, keep the reasons."""

import json
from collections.abc import Callable, Sequence

from hpcflow.compute.cluster import local_client
from hpcflow.compute.loop import map_partitions
from hpcflow.errors import FailedPartitionsError
from hpcflow.stages.progress import log, tracked
from hpcflow.stages.run import Run
from hpcflow.store.partitions import Partition

__all__ = ["run_missing"]


def run_missing(
    stage: str,
    run: Run,
    task: Callable[[str, Partition], None],
    everything: Sequence[Partition],
    missing: Sequence[Partition],
    workers: int,
    unit: str = "rows",
) -> None:
    """Do the missing partitions of a stage on workers.

    Args:
        stage: its name.
        run: the run folder; the task is told its path.
        task: does and writes one partition.
        everything: all partitions.
        missing: those to do.
        workers: processes to use.
        unit: what partitions are made of.

    Raises:
        FailedPartitionsError: if any was set aside.
    """
    total, left = sum(map(len, everything)), sum(map(len, missing))
    reasons = run.logs / f"{stage}.failed.json"
    reasons.unlink(missing_ok=True)
    if not missing:
        log.info("%s: all %d %s are done already", stage, total, unit)
        return
    log.info("%s: %d of %d %s to do, on %d workers", stage, left, total, unit, workers)
    with tracked(stage, total, total - left) as advance, local_client(min(workers, len(missing))) as client:
        failed = map_partitions(client, task, str(run.path), missing, lambda p: advance(len(p), ""))
    if failed:
        reasons.write_text(json.dumps({p.index: reason for p, reason in failed.items()}, indent=1) + "\n")
        first, reason = next(iter(failed.items()))
        raise FailedPartitionsError(
            f"{stage}: {len(failed)} of {len(everything)} partitions failed, first {first.index} ({reason:.200}); "
            f"all reasons are in {reasons}; run the same command again to try them again"
        )
