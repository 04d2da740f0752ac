"""Flows trained for an equal processor time, and how far each is from the exact posterior."""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from hpcflow.config.load import Config
from hpcflow.flow.batches import Batch, Library, generator_for
from hpcflow.flow.estimator import Estimator
from hpcflow.flow.training import Progress, train
from hpcflow.model.observe import Photometry
from hpcflow.posterior.exact import ExactModel
from hpcflow.stages.build import (
    build_likelihood,
    build_observer,
    build_prior,
    build_schedule,
    build_simulated,
    build_simulator,
)
from hpcflow.stages.trained import untrained_flow

__all__ = ["examples", "gap", "trained_for"]

SIMULATIONS = 400_000
PROBED = 12  # steps whose time is taken


def examples(config: Config, n: int, seed: int) -> Batch:
    """Return n examples of simulations of their own."""
    return _library(config, n, seed).first(n, generator_for(seed, "examples"))


def trained_for(config: Config, minutes: float) -> tuple[Estimator, int]:
    """Return a config's flow, trained on one thread for so many minutes of processor time, and the number of steps."""
    library, held_out = _library(config, SIMULATIONS, 1), examples(config, 2000, 2)
    schedule = build_schedule(config)

    def fresh() -> Estimator:
        torch.manual_seed(1)
        return untrained_flow(config)

    def learn(steps: int, watch: Callable[[int], None] = lambda _: None) -> Estimator:
        estimator = fresh()
        whole = replace(schedule, steps=steps, validate_every=steps, warmup=min(schedule.warmup, steps // 4))
        train(estimator, library, held_out, whole, watch=watch, report=_silent)
        return estimator.eval().requires_grad_(False)

    clock: list[float] = []
    learn(2 * PROBED, lambda _: clock.append(time.process_time()))
    steps = int(60 * minutes / ((clock[-1] - clock[PROBED - 1]) / PROBED))
    return learn(steps), steps


def gap(config: Config, estimator: Estimator, batch: Batch) -> tuple[float, float]:
    """Return the mean of log p - log q over examples in nats, and its standard error."""
    theta, *photometry = (a.double().numpy() for a in (batch.theta, *batch.photometry))
    flux, sigma, observed, given = photometry
    log_p = ExactModel(build_likelihood(config)).log_prob(theta, Photometry(flux, sigma, observed > 0, given))
    with torch.inference_mode():
        log_q = estimator.flow(batch.theta, estimator.condition(batch.photometry)).double().numpy()
    apart = log_p - log_q
    return float(apart.mean()), float(apart.std() / np.sqrt(len(apart)))


def _library(config: Config, n: int, seed: int) -> Library:
    prior, simulator = build_simulated(config), build_simulator(config)
    theta = prior.sample(n, np.random.default_rng(seed))
    drawn, flux = (torch.from_numpy(np.asarray(a, np.float32)) for a in (theta, simulator(theta)))
    return Library(drawn, flux, list(prior.names), build_prior(config), build_observer(config))


def _silent(_: Progress) -> None:
    """Say nothing."""
