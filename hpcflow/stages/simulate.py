"""`hpcflow simulate`: fill the library with parameters drawn from the prior and their fluxes."""

from functools import cache
from pathlib import Path

from hpcflow.config import Config
from hpcflow.stages.build import build_prior, build_simulator, config_of, simulator_of
from hpcflow.stages.loop import run_missing
from hpcflow.stages.progress import log_to
from hpcflow.stages.run import Run, refuse_other_sources
from hpcflow.store.partitions import Partition, rng_for
from hpcflow.store.simulations import SimulationStore

__all__ = ["simulate"]


def simulate(config: Config, run: Run, workers: int) -> None:
    """Simulate what the run's library lacks.

    Raises:
        InputError: if the config cannot be run or belongs to another run; nothing is written.
        FailedPartitionsError: if partitions were set aside.
    """
    simulator = build_simulator(config)  # before anything is written: a wrong path is said at once
    run.begin("simulate", config)
    with log_to(run.logs, "simulate"):
        store = _open_or_create(config, run, simulator.provenance)
        run_missing("simulate", run, simulate_partition, store.partitions, store.missing(), workers)


def simulate_partition(run: str, partition: Partition) -> None:
    """Draw, simulate and write one partition; what a worker does."""
    config, simulator = config_of(run), simulator_of(run)
    prior = build_prior(config).select(simulator.parameters)
    theta = prior.sample(len(partition), rng_for(config.simulate.seed, "simulate", partition.index))
    _store(run).write(partition, theta, simulator(theta))


@cache
def _store(run: str) -> SimulationStore:
    return SimulationStore.open(Run(Path(run)).simulations)


def _open_or_create(config: Config, run: Run, source: dict[str, str]) -> SimulationStore:
    if run.simulations.exists():
        store = SimulationStore.open(run.simulations)
        refuse_other_sources(run.simulations, store.source, source)
        return store
    return SimulationStore.create(
        run.simulations,
        n=config.simulate.n,
        partition=config.simulate.partition,
        parameters=build_prior(config).select([p for p in config.model.parameters if p != "log_mass"]).parameters,
        bands=tuple(config.model.bands),
        seed=config.simulate.seed,
        source=source,
    )
