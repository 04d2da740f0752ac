"""`hpcflow verify`: check that a run's library, flow and archive are still as they were written."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import DamagedRunError, InputError
from hpcflow.base.partitions import Partition
from hpcflow.calibration.record import ValidationStore
from hpcflow.config.load import Config
from hpcflow.model.simulator import Simulator
from hpcflow.stages.build import build_simulated, build_simulator, simulated_names
from hpcflow.stages.progress import log, log_to, tracked
from hpcflow.stages.run import Run, refuse_other_sources
from hpcflow.stages.simulate import draw
from hpcflow.stages.trained import trained_flow
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.damage import DamagedError
from hpcflow.store.simulations import SimulationStore

__all__ = ["verify", "verify_archive", "verify_flow", "verify_library", "verify_validation"]

TOLERANCE = 1e-6  # relative, of fluxes kept in 32 bits


def verify(run: Run) -> None:
    """Check the run's library, flow, archive and calibration record, if it has them.

    Damaged partitions are marked as missing, so that their stage computes them again.

    Raises:
        InputError: if the folder is not a run, it has nothing to verify, or a store cannot be fully checked.
        DamagedRunError: if anything is damaged; everything else is checked nevertheless.
    """
    config = run.config()
    checks = {
        run.simulations: lambda: verify_library(config, run),
        run.flow: lambda: verify_flow(run),
        run.posteriors: lambda: verify_archive(run),
        run.validation: lambda: verify_validation(run),
    }
    there = [check for path, check in checks.items() if path.exists()]
    if not there:
        raise InputError(f"{run.path} has nothing to verify; run `hpcflow run CONFIG --run {run.path}` first")
    damage, refusals = list[str](), list[str]()
    with log_to(run.log("verify")):
        for check in there:
            try:
                damage.extend(check())
            except InputError as e:
                refusals.append(str(e))
            except DamagedError as e:  # outside of any partition
                damage.append(f"{e.what} is damaged ({e.reason}); restore it, or remove the store to make it again")
        for sentence in damage:
            log.error("verify: %s", sentence)
    if damage:
        raise DamagedRunError(
            "; ".join([f"{run.path} is damaged; see the lines above, or {run.log('verify')}", *refusals])
        )
    if refusals:
        raise InputError("; ".join(refusals))


def verify_library(config: Config, run: Run, rows: int = 1000) -> Iterator[str]:
    """Read every finished partition of the library, simulate some rows again, and yield a sentence per damage.

    Args:
        config: the run's config.
        run: the run.
        rows: number of rows to simulate again, chosen anew on each call.

    Raises:
        InputError: if there is no library, or (after reading it) if its simulator is not available any more.
    """
    store = SimulationStore.open(run.simulations)
    simulator = _simulator(config, store)
    finished = store.complete()
    rng, compared = np.random.default_rng(), list[NDArray[np.bool_]]()
    share = rng.multinomial(rows, np.full(len(finished), 1 / max(1, len(finished))))
    counts = dict(zip(finished, share.tolist(), strict=True))

    def check(partition: Partition) -> None:
        theta, flux = store.read(partition)
        if not isinstance(simulator, InputError):
            chosen = rng.choice(len(partition), min(counts[partition], len(partition)), replace=False)
            compared.append(_same(config, simulator, partition, chosen, theta, flux))

    yield from _read(store, run, "simulate", check)
    same = np.concatenate([np.ones(0, dtype=bool), *compared])
    different = int((~same).sum())
    log.info("verify: %s: %d rows simulated again, %d different", store.path, len(same), different)
    if different:
        yield (
            f"{store.path}: {different} of {len(same)} rows differ when they are simulated again, although their "
            "checksums are right, so the simulator has changed; remove the library to make it again"
        )
    if isinstance(simulator, InputError):
        raise simulator


def verify_flow(run: Run) -> Iterator[str]:
    """Load the trained flow, whose weights have a checksum, and yield a sentence if it is damaged."""
    try:
        trained_flow(run.flow)
    except InputError as e:
        yield str(e)
    else:
        log.info("verify: %s: read, not damaged", run.flow)


def verify_archive(run: Run) -> Iterator[str]:
    """Read the archive's photometry and every finished partition, and yield a sentence per damage.

    Raises:
        InputError: if there is no archive.
    """
    archive = PosteriorArchive.open(run.posteriors, reading=True)
    try:
        archive.check()
    except DamagedError as e:
        says = "restore it, or remove the archive to make it again"
        yield f"{archive.path}: the photometry is damaged ({e.reason}); {says}"
    yield from _read(archive, run, "infer", archive.check)


def verify_validation(run: Run) -> Iterator[str]:
    """Read every finished partition of the calibration record, and yield a sentence about damage.

    Raises:
        InputError: if there is no record.
    """
    record = ValidationStore.open(run.validation)
    yield from _read(record, run, "validate", record.check)


def _simulator(config: Config, store: SimulationStore) -> Simulator | InputError:
    """Return the simulator that the library was made with, or the reason why it is not available."""
    try:
        simulator = build_simulator(config)
        refuse_other_sources(store.path, store.source, simulator.provenance)
    except InputError as e:
        return e
    return simulator


def _same(
    config: Config,
    simulator: Simulator,
    partition: Partition,
    chosen: NDArray[np.intp],
    theta: NDArray[np.float32],
    flux: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Simulate the chosen rows of a partition again, and return which of them agree with the library."""
    drawn = draw(config, partition)[chosen]
    same = np.isclose(drawn, theta[chosen], rtol=TOLERANCE, atol=1e-12).all(axis=1)
    again = simulator(drawn[:, build_simulated(config).index(simulated_names(config))])
    return same & np.isclose(again, flux[chosen], rtol=TOLERANCE, atol=0, equal_nan=True).all(axis=1)


def _read(
    store: SimulationStore | PosteriorArchive | ValidationStore,
    run: Run,
    stage: str,
    check: Callable[[Partition], None],
) -> Iterator[str]:
    """Check every finished partition, mark damaged ones as missing, and yield a sentence about them."""
    finished, damaged = store.complete(), dict[int, str]()
    with tracked("verify", sum(map(len, finished))) as track:
        for partition in finished:
            try:
                check(partition)
            except DamagedError as e:
                damaged[partition.index] = e.reason
                store.forget(partition)
            track.advance(len(partition))
    counts = (len(finished), len(store.partitions), len(damaged))
    log.info("verify: %s: %d of %d partitions read, %d damaged", store.path, *counts)
    if damaged:
        first, reason = next(iter(damaged.items()))
        yield (
            f"{store.path}: damage in {len(damaged)} of {len(finished)} partitions, first {first} ({reason:.200}); "
            f"they are marked as missing; run `hpcflow {stage} CONFIG --run {run.path}` to compute them again"
        )
