"""`hpcflow train`: train the flow on the library."""

import logging
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hpcflow.base.errors import InputError, Interrupted
from hpcflow.base.lock import alone
from hpcflow.compute.local import default_workers
from hpcflow.config.load import Config
from hpcflow.flow import checkpoint
from hpcflow.flow.batches import Batch, Source, generator_for
from hpcflow.flow.distributed import Ranks, join_ranks
from hpcflow.flow.estimator import Estimator, combine
from hpcflow.flow.header import read_header
from hpcflow.flow.history import HISTORY
from hpcflow.flow.precision import fast_matmul
from hpcflow.flow.training import Progress, history_csv, train
from hpcflow.model.observe import Observer, Photometry
from hpcflow.posterior.exact import ExactModel
from hpcflow.posterior.support import Support
from hpcflow.stages.build import (
    build_likelihood,
    build_observer,
    build_schedule,
)
from hpcflow.stages.library import open_library
from hpcflow.stages.progress import log, log_to, tracked
from hpcflow.stages.run import Run, provenance
from hpcflow.stages.trained import member_of, untrained_flow
from hpcflow.store.simulations import SimulationStore

__all__ = ["train_flow"]


def train_flow(config: Config, run: Run, workers: int | None = None) -> None:
    """Train the run's flow unless it is trained already; resume a training that was stopped.

    If several processes train together, all of them call this, and only the first writes files and messages.

    Args:
        config: what to train.
        run: the run, which holds the library and receives the flow.
        workers: number of CPU threads to use on this machine; None for one per processor.

    Raises:
        InputError: if the library is missing or unfinished, the config belongs to another run, or the same training
            is running already.
        DivergedError: if training diverges.
        Interrupted: if a signal asked to stop.
    """
    store = SimulationStore.open(run.simulations)
    with join_ranks() as ranks, _quiet_unless(ranks.lead), ExitStack() as held:
        if ranks.any(ranks.lead and run.flow.exists()):
            ranks.alone(lambda: run.begin("train", config))  # refuses a config that differs from the training's
            ranks.alone(lambda: run.training.unlink(missing_ok=True))
            log.info("train: %s is trained already", run.flow)
            return
        ranks.alone(lambda: held.enter_context(alone(run.lock("train"), "`hpcflow train`")))
        training, held_out = open_library(config, store, ranks.device)
        ranks.alone(lambda: run.begin("train", config))
        with log_to(run.log("train")) if ranks.lead else nullcontext():
            torch.set_num_threads(ranks.threads(workers or default_workers()))
            fast_matmul()
            exact = _exact_log_prob(config, held_out)
            count = config.train.members
            origin = {"library": store.identity, "observe": config.plain()["observe"]}
            members = [_member(config, run, k, training, held_out, exact, ranks, origin) for k in range(count)]
            if ranks.lead:
                _save(config, run, store, members)


def _member(
    config: Config,
    run: Run,
    member: int,
    training: Source,
    held_out: Batch,
    exact: Tensor | None,
    ranks: Ranks,
    origin: Mapping[str, Any],
) -> Path:
    """Train one flow of the ensemble unless it is trained already, and return its folder.

    Raises:
        InputError: if a flow is there that is none of this ensemble.
    """
    folder = run.members / str(member)
    made = {**origin, "train": config.plain()["train"], "member": member}
    if ranks.any(ranks.lead and folder.exists()):
        ranks.alone(lambda: _refuse_another(folder, made))
    else:
        torch.manual_seed(generator_for(config.train.seed, "weights", member).initial_seed())
        estimator = untrained_flow(config).to(ranks.device)
        history = _learn(config, run, member, estimator, training, held_out, exact, ranks, origin)
        best = min(line.validation_nll for line in history)
        found = {"steps": history[-1].step, "validation_nll": best, "made": made}
        ranks.alone(lambda: checkpoint.save(estimator, folder, found, {HISTORY: history_csv(history)}))
        ranks.alone(lambda: run.training.unlink(missing_ok=True))
    return folder


def _refuse_another(folder: Path, made: Mapping[str, Any]) -> None:
    """Raise if the flow in the folder of a member was not made so."""
    if checkpoint.read_description(folder).get("made") != made:
        raise InputError(
            f"{folder} holds a flow of another training; move it away to train this member, or restore the settings "
            "it was trained with"
        )


def _learn(
    config: Config,
    run: Run,
    member: int,
    estimator: Estimator,
    training: Source,
    held_out: Batch,
    exact: Tensor | None,
    ranks: Ranks,
    origin: Mapping[str, Any],
) -> list[Progress]:
    schedule = build_schedule(config, member)
    log.info(
        "train: %s flow of %d weights on %s, on %s (%d processes)%s",
        config.train.flow.family,
        estimator.weights,
        training,
        ranks.device,
        ranks.size,
        f", member {member + 1} of {config.train.members}" if config.train.members > 1 else "",
    )
    done = read_header(run.training).counters.step if run.training.exists() else 0
    with tracked("train", schedule.steps, done, "steps", run.progress("train")) as track:

        def report(line: Progress) -> None:
            gap = "" if math.isnan(line.gap) else f", gap {line.gap:.3f}"
            rate = line.examples / line.seconds
            track.note(f"validation NLL {line.validation_nll:.3f}{gap} nats, {rate:,.0f} examples/s")

        try:
            history = train(
                estimator,
                training,
                held_out,
                schedule,
                ranks=ranks,
                keep=run.training,
                exact=exact,
                report=report,
                watch=track.at,
                origin=origin,
            )
        except Interrupted:
            if ranks.lead and run.training.exists() and read_header(run.training).counters.step > done:
                run.lives("train").unlink(missing_ok=True)  # this job, if it is one, is not in vain
            raise
    best, last = min(history, key=lambda line: line.validation_nll), history[-1]
    log.info(
        "train: best validation NLL %.4f nats, at step %d; %.0f examples/s, %.1f %% of the time spent waiting for them",
        best.validation_nll,
        best.step,
        last.examples / last.seconds,
        100 * last.waited / last.seconds,
    )
    return history


def _exact_log_prob(config: Config, held_out: Batch) -> Tensor | None:
    """Return exact log posterior densities (m,) of the first held-out examples, or None if they cannot be computed."""
    if not config.train.exact:
        return None
    try:
        model = ExactModel(build_likelihood(config))
    except InputError as e:
        log.info("train: the gap is not measured: %s", e)
        return None
    log.info("train: computing exact posterior densities of %d held-out examples", config.train.exact)
    theta, *photometry = (
        a[: config.train.exact].cpu().double().numpy() for a in (held_out.theta, *held_out.photometry)
    )
    flux, sigma, observed, given = photometry
    return torch.from_numpy(model.log_prob(theta, Photometry(flux, sigma, observed.astype(bool), given)))


def _save(config: Config, run: Run, store: SimulationStore, members: Sequence[Path]) -> None:
    """Write the run's flow: the only member, or the ensemble of all members."""
    estimator = combine([member_of(config, folder) for folder in members])
    histories = {f"history{f'-{k + 1}' if k else ''}.csv": folder / HISTORY for k, folder in enumerate(members)}
    support = _support(build_observer(config), store, estimator)
    extra = {
        "config": config.plain(),
        "support": support.plain(),
        "source": store.source,
        "provenance": provenance(),
        "trained": [{key: checkpoint.read_description(m)[key] for key in ("steps", "validation_nll")} for m in members],
    }
    checkpoint.save(estimator, run.flow, extra, {name: path.read_text() for name, path in histories.items()})
    shutil.rmtree(run.members)


def _support(observer: Observer, store: SimulationStore, estimator: Estimator) -> Support:
    """Return the range of the data in training, where simulations have a scale of their own or every one of it."""
    name = observer.scale.parameter
    if not name:
        return Support.of_library(observer, store.flux_range("train"), (0.0, 0.0))
    if name in store.parameters:
        column, exponent = store.parameters.index(name), observer.scale.exponent
        scaled = store.flux_range("train", lambda theta: 10.0 ** (exponent * theta[:, column].astype(np.float64)))
        return Support.of_library(observer, scaled, (0.0, 0.0))
    size = estimator.prior.select([name]).parameters[0]
    return Support.of_library(observer, store.flux_range("train"), (size.low, size.high))


@contextmanager
def _quiet_unless(lead: bool) -> Iterator[None]:
    """Log only errors in all processes but the first."""
    level = log.level
    log.setLevel(level if lead else logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
