"""What simulate, infer and validate share: run what is missing, say what failed, keep the reasons."""

import json
import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from hpcflow.base.atomic import write_whole
from hpcflow.base.errors import FailedPartitionsError, Interrupted
from hpcflow.base.partitions import Partition
from hpcflow.base.signals import stop_requests
from hpcflow.compute.cluster import workers_at
from hpcflow.compute.dispatch import map_partitions
from hpcflow.compute.where import InProcess, Where
from hpcflow.stages.progress import log, tracked
from hpcflow.stages.run import Run

__all__ = ["run_missing"]


def run_missing(
    stage: str,
    run: Run,
    task: Callable[[str, Partition], None],
    everything: Sequence[Partition],
    missing: Sequence[Partition],
    where: Where,
    unit: str = "rows",
) -> None:
    """Do the missing partitions of a stage on workers.

    Args:
        stage: its name.
        run: the run folder; the task is told its path.
        task: does and writes one partition.
        everything: all partitions.
        missing: those to do.
        where: workers are.
        unit: what partitions are made of.

    Raises:
        FailedPartitionsError: if any was set aside.
        Interrupted: if a signal asked to stop.
        InputError: if no worker can be had.
    """
    total, left = sum(map(len, everything)), sum(map(len, missing))
    reasons = run.failed(stage)
    reasons.unlink(missing_ok=True)
    if not missing:
        log.info("%s: all %d %s are done already", stage, total, unit)
        return
    with stop_requests() as asked:

        def check() -> None:
            if asked:
                name = signal.Signals(asked[0]).name
                raise Interrupted(
                    f"{stage}: {name} asked to stop; what is finished is kept: run the same command again"
                )

        with (
            _as_worker(where),
            workers_at(where, len(missing), run.path, stage) as workers,
            tracked(stage, total, total - left) as advance,
        ):
            log.info("%s: %d of %d %s to do, on %s", stage, left, total, unit, workers.name)
            failed = map_partitions(workers, task, str(run.path), missing, lambda p: advance(len(p), ""), check=check)
        check()  # a signal may have come while the workers ended
    if failed:
        write_whole(reasons, json.dumps({p.index: reason for p, reason in failed.items()}, indent=1) + "\n")
        first, reason = next(iter(failed.items()))
        raise FailedPartitionsError(
            f"{stage}: {len(failed)} of {len(everything)} partitions failed, first {first.index} ({reason:.200}); "
            f"all reasons are in {reasons}; run the same command again to try them again"
        )


def _as_worker(where: Where) -> AbstractContextManager[None]:
    """Compute as workers do, to the last bit, for as long as this process is the only one."""
    if not isinstance(where, InProcess):
        return nullcontext()
    from hpcflow.flow.precision import as_worker  # and torch, which the driver of other workers does without

    return as_worker()
