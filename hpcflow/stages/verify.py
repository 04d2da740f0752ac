"""`hpcflow simulate --verify`: is the library still what was simulated?"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import FailedPartitionsError
from hpcflow.base.partitions import Partition
from hpcflow.config.load import Config
from hpcflow.model.simulator import Simulator
from hpcflow.stages.build import build_simulator
from hpcflow.stages.progress import log, log_to, tracked
from hpcflow.stages.run import Run, refuse_other_sources
from hpcflow.stages.simulate import draw
from hpcflow.store.damage import DamagedError
from hpcflow.store.simulations import SimulationStore

__all__ = ["Verdict", "verify"]

TOLERANCE = 1e-6  # relative, of fluxes kept in 32 bits


@dataclass
class Verdict:
    """What was looked at and what was wrong: partitions and their reasons, rows that come out otherwise now."""

    partitions: int = 0
    damaged: dict[int, str] = field(default_factory=dict)
    rows: int = 0
    different: int = 0


def verify(config: Config, run: Run, rows: int = 1000) -> Verdict:
    """Read every finished partition again, and simulate a random sample of rows again.

    A damaged partition is marked as not simulated, so that `hpcflow simulate` makes it anew.

    Args:
        config: the run's.
        run: the run folder.
        rows: how many rows to simulate again, other ones every time.

    Raises:
        InputError: if there is no library, or it was made from other things than the config names.
        FailedPartitionsError: if anything is wrong.
    """
    simulator = build_simulator(config)
    store = SimulationStore.open(run.simulations)
    refuse_other_sources(run.simulations, store.source, simulator.provenance)
    missing = set(store.missing())
    finished = [partition for partition in store.partitions if partition not in missing]
    rng = np.random.default_rng()
    again = rng.multinomial(rows, np.full(len(finished), 1 / max(1, len(finished))))
    verdict = Verdict()
    with log_to(run.log("simulate")), tracked("verify", sum(map(len, finished))) as advance:
        for partition, count in zip(finished, again, strict=True):
            chosen = rng.choice(len(partition), min(int(count), len(partition)), replace=False)
            _check(config, store, simulator, partition, chosen, verdict)
            advance(len(partition), "")
        _say(run, store, verdict)
    return verdict


def _check(
    config: Config,
    store: SimulationStore,
    simulator: Simulator,
    partition: Partition,
    chosen: NDArray[np.intp],
    verdict: Verdict,
) -> None:
    verdict.partitions += 1
    try:
        theta, flux = store.read(partition)
    except DamagedError as e:
        verdict.damaged[partition.index] = str(e)
        store.forget(partition)
        return
    if len(chosen):
        drawn = draw(config, partition)[chosen]
        verdict.rows += len(chosen)
        same = np.isclose(drawn, theta[chosen], rtol=TOLERANCE, atol=1e-12).all(axis=1)
        same &= np.isclose(simulator(drawn), flux[chosen], rtol=TOLERANCE, atol=0, equal_nan=True).all(axis=1)
        verdict.different += int((~same).sum())


def _say(run: Run, store: SimulationStore, verdict: Verdict) -> None:
    log.info(
        "verify: %d of %d partitions read, %d damaged; %d rows simulated again, %d different",
        *(verdict.partitions, len(store.partitions), len(verdict.damaged), verdict.rows, verdict.different),
    )
    if verdict.damaged:
        first, reason = next(iter(verdict.damaged.items()))
        raise FailedPartitionsError(
            f"{run.simulations}: {len(verdict.damaged)} partitions are damaged, first {first} ({reason:.200}); "
            "they are marked as not simulated: run `hpcflow simulate` to make them anew"
        )
    if verdict.different:
        raise FailedPartitionsError(
            f"{run.simulations}: {verdict.different} of {verdict.rows} rows simulated again come out otherwise, though "
            "their checksums hold; the simulator is not what it was: remove the store to make it anew"
        )
