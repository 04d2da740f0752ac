"""`hpcflow simulate`: fill the library with parameters drawn from the prior and their model fluxes."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import FailedPartitionsError
from hpcflow.base.partitions import Partition, rng_for
from hpcflow.compute.once import once_per_worker
from hpcflow.compute.where import Where
from hpcflow.config.load import Config
from hpcflow.stages.build import build_simulated, build_simulator, config_of, simulated_names, simulator_of
from hpcflow.stages.loop import run_missing
from hpcflow.stages.progress import log, log_to
from hpcflow.stages.rehearsal import rehearse
from hpcflow.stages.run import Run, refuse_other_sources
from hpcflow.store.simulations import SimulationStore

__all__ = ["draw", "open_or_create", "simulate", "simulate_partition"]


def simulate(config: Config, run: Run, where: Where) -> None:
    """Simulate the partitions that the run's library lacks.

    Raises:
        InputError: if the config cannot be run or belongs to another run; nothing is written.
        FailedPartitionsError: if partitions failed.
    """
    source = build_simulator(config).provenance  # fails on a wrong path before anything is written
    said = [] if run.simulations.exists() else list(rehearse(config))
    run.begin("simulate", config)
    with log_to(run.log("simulate")):
        for line in said:
            log.info("simulate: %s", line)
        store = open_or_create(config, run, source)
        run_missing("simulate", run, simulate_partition, store.partitions, store.missing(), where)
        for reason, count in store.failures().items():
            log.info("simulate: %d rows could not be simulated: %s", count, reason)
        if store.failed() == config.simulate.n:
            raise FailedPartitionsError(
                f"simulate: not one of {config.simulate.n} rows of {store.path} could be simulated (see above); "
                "correct `model`, and remove the library to make it again"
            )


def simulate_partition(run: str, partition: Partition) -> None:
    """Draw, simulate and write one partition; this is a worker's task."""
    simulator = simulator_of(run)
    config = config_of(run)
    theta = draw(config, partition)
    flux = simulator(theta[:, build_simulated(config).index(simulated_names(config))])
    _store(run).write(partition, theta, flux, simulator.reasons)


def draw(config: Config, partition: Partition) -> NDArray[np.floating]:
    """Return the parameters (n, D) of a partition, the same on every call and every worker."""
    return build_simulated(config).sample(len(partition), rng_for(config.simulate.seed, "simulate", partition.index))


@once_per_worker
def _store(run: str) -> SimulationStore:
    return SimulationStore.open(Run(Path(run)).simulations)


def open_or_create(config: Config, run: Run, source: dict[str, str]) -> SimulationStore:
    """Return the run's library, or create an empty one.

    Raises:
        InputError: if the library was made from other sources.
    """
    if run.simulations.exists():
        store = SimulationStore.open(run.simulations)
        refuse_other_sources(run.simulations, store.source, source)
        return store
    return SimulationStore.create(
        run.simulations,
        n=config.simulate.n,
        partition=config.simulate.partition,
        parameters=build_simulated(config).parameters,
        bands=tuple(config.model.bands),
        seed=config.simulate.seed,
        source=source,
    )
