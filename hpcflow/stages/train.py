"""`hpcflow train`: learn the posterior from the library."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

from hpcflow.compute.cluster import default_workers
from hpcflow.config import Config
from hpcflow.flow import checkpoint
from hpcflow.flow.batches import Batch, Library, Source, generator_for
from hpcflow.flow.distributed import Ranks, join_ranks
from hpcflow.flow.estimator import Estimator
from hpcflow.flow.header import read_header
from hpcflow.flow.observation import Observation
from hpcflow.flow.precision import fast_matmul
from hpcflow.flow.stream import Plan, Stream
from hpcflow.flow.training import HELD_OUT, Progress, Schedule, history_csv, train
from hpcflow.posterior.support import Support
from hpcflow.stages.build import build_observer, build_prior
from hpcflow.stages.progress import log, log_to, tracked
from hpcflow.stages.run import Run, provenance
from hpcflow.store.simulations import SimulationStore

__all__ = ["train_flow"]

BLOCKS = 64  # that a pool has, where blocks can be made small enough: the more, the better they are mixed


def train_flow(config: Config, run: Run, workers: int | None = None) -> None:
    """Train the run's flow, unless it is trained; go on where an earlier training was stopped.

    Where several processes were started for it, all call this, and rank 0 alone writes and speaks.

    Args:
        config: what to train.
        run: where the library is and the flow goes.
        workers: threads to use on this machine's CPU; all processors where None.

    Raises:
        InputError: if the library is missing or unfinished, or the config belongs to another run.
        DivergedError: if training diverges.
        Interrupted: if a signal asked to stop.
    """
    store = SimulationStore.open(run.simulations)
    with join_ranks() as ranks, _quiet_unless(ranks.lead):
        if ranks.any(ranks.lead and run.flow.exists()):
            ranks.alone(lambda: run.begin("train", config))  # refuses a config that it was not trained with
            ranks.alone(lambda: run.training.unlink(missing_ok=True))
            log.info("train: %s is trained already", run.flow)
            return
        training, held_out = _open_library(config, store, ranks.device)
        ranks.alone(lambda: run.begin("train", config))
        with log_to(run.logs, "train") if ranks.lead else nullcontext():
            torch.set_num_threads(ranks.threads(workers or default_workers()))
            fast_matmul()
            torch.manual_seed(config.train.seed)  # of the weights
            flow = config.train.flow.model_dump(mode="json")
            estimator = Estimator(build_prior(config), tuple(store.bands), config.train.features, flow).to(ranks.device)
            history = _learn(config, run, estimator, training, held_out, ranks)
            if ranks.lead:
                _save(config, run, store, estimator, history)


def _learn(
    config: Config, run: Run, estimator: Estimator, training: Source, held_out: Batch, ranks: Ranks
) -> list[Progress]:
    schedule = Schedule(**config.train.model_dump(exclude={"flow", "features", "resident_gb"}))
    log.info(
        "train: %s flow of %d weights on %s, on %s (%d processes)",
        config.train.flow.family,
        estimator.weights,
        training,
        ranks.device,
        ranks.size,
    )
    done = read_header(run.training).counters.step if run.training.exists() else 0
    exact_log_posterior = None  # of the first held-out examples, to measure the gap to
    with tracked("train", schedule.steps, done) as advance:
        seen = done

        def report(line: Progress) -> None:
            nonlocal seen
            rate = line.examples / line.seconds
            advance(line.step - seen, f"validation NLL {line.validation_nll:.3f} nats, {rate:,.0f} examples/s")
            seen = line.step

        history = train(
            estimator,
            training,
            held_out,
            schedule,
            ranks=ranks,
            keep=run.training,
            exact=exact_log_posterior,
            report=report if ranks.lead else lambda _: None,
        )
    best = min(history, key=lambda line: line.validation_nll)
    log.info("train: best validation NLL %.4f nats, at step %d", best.validation_nll, best.step)
    return history


def _save(config: Config, run: Run, store: SimulationStore, estimator: Estimator, history: list[Progress]) -> None:
    mass = estimator.prior.select(["log_mass"]).parameters[0]
    support = Support.of_library(build_observer(config), store.flux_range("train"), (mass.low, mass.high))
    extra = {
        "config": config.plain(),
        "support": support.plain(),
        "source": store.source,
        "provenance": provenance(),
        "steps": history[-1].step,
        "validation_nll": min(line.validation_nll for line in history),
    }
    checkpoint.save(estimator, run.flow, extra, {"history.csv": history_csv(history)})
    run.training.unlink(missing_ok=True)


@contextmanager
def _quiet_unless(lead: bool) -> Iterator[None]:
    """Let only rank 0 say more than errors."""
    level = log.level
    log.setLevel(level if lead else logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
