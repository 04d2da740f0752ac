"""The loop of simulate, infer, validate and search: run the missing partitions, and report those that fail."""

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
    """Compute the missing partitions of a stage on workers.

    Args:
        stage: name of the stage.
        run: the run; the task receives its path.
        task: computes and writes one partition.
        everything: all partitions.
        missing: the partitions to compute.
        where: where to run the workers.
        unit: what partitions consist of, in the plural.

    Raises:
        FailedPartitionsError: if any partition failed.
        Interrupted: if a signal asked to stop.
        InputError: if no worker can be started.
    """
    total, left = sum(map(len, everything)), sum(map(len, missing))
    reasons = run.failed(stage)
    reasons.unlink(missing_ok=True)
    run.progress(stage).unlink(missing_ok=True)  # of a driver that was killed
    if not missing:
        log.info("%s: all %d %s are done already", stage, total, unit)
        return
    with stop_requests() as asked:

        def refuse_to_go_on() -> None:
            if asked:
                name = signal.Signals(asked[0]).name
                raise Interrupted(
                    f"{stage}: {name} asked to stop; what is finished is kept; run the same command to resume",
                    asked[0],
                )

        def check() -> None:
            refuse_to_go_on()
            track.look(workers.running())

        def done(partition: Partition) -> None:
            run.lives(stage).unlink(missing_ok=True)  # this job, if it is one, is not in vain
            track.advance(len(partition))

        with (
            _as_worker(where),
            workers_at(where, len(missing), run.path, stage) as workers,
            tracked(stage, total, total - left, unit, run.progress(stage)) as track,
        ):
            log.info("%s: %d of %d %s to do, on %s", stage, left, total, unit, workers.name)
            failed = map_partitions(workers, task, str(run.path), missing, done, check=check)
        refuse_to_go_on()  # a signal may have arrived while the workers ended
    if failed:
        write_whole(reasons, json.dumps({p.index: reason for p, reason in failed.items()}, indent=1) + "\n")
        first, reason = next(iter(failed.items()))
        raise FailedPartitionsError(
            f"{stage}: {len(failed)} of {len(everything)} partitions failed, first {first.index} ({reason:.200}); "
            f"{reasons} has all reasons; run the same command to try these partitions again"
        )


def _as_worker(where: Where) -> AbstractContextManager[None]:
    """Compute as workers do, to the last bit, while this process is the only one."""
    if not isinstance(where, InProcess):
        return nullcontext()
    from hpcflow.flow.precision import as_worker  # imports torch, which the driver of other workers does not need

    return as_worker()
