"""Training by maximum likelihood on fresh examples, with averaged weights and early stopping."""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from hpcflow.errors import HpcflowError
from hpcflow.flow.batches import Batch, Library, generator_for
from hpcflow.flow.estimator import Estimator

__all__ = ["Progress", "Schedule", "history_csv", "train"]

PILOT = 200_000  # examples that the features are standardised on
HELD_OUT = 20_000  # examples that the validation loss is measured on


@dataclass(frozen=True)
class Schedule:
    """How to train: steps of `batch` examples, learning rate warmed up and then annealed along a half cosine.

    Args:
        steps, batch: how long, and how many examples at a time.
        learning_rate, warmup, weight_decay: of AdamW; warmup in steps.
        average: decay per step of the exponential average of weights that is kept; 0 keeps the last weights.
        clip: largest norm of a gradient.
        validate_every, patience: steps between validations, and how many without a gain end the training.
        seed: of the weights and of every batch.
    """

    steps: int
    batch: int
    learning_rate: float
    warmup: int
    weight_decay: float
    average: float
    clip: float
    validate_every: int
    patience: int
    seed: int

    def rate(self, step: int) -> float:
        """Return the learning rate of a step relative to the highest."""
        warm = min(1.0, (step + 1) / max(1, self.warmup))
        return warm * (0.5 + 0.5 * math.cos(math.pi * min(1.0, step / self.steps))) + 1e-4


@dataclass(frozen=True)
class Progress:
    """One line of the training history; losses are mean negative log-likelihoods in nats."""

    step: int
    examples: int
    train_nll: float
    validation_nll: float
    learning_rate: float
    seconds: float


def train(
    estimator: Estimator,
    training: Library,
    validation: Library,
    schedule: Schedule,
    report: Callable[[Progress], None] = lambda _: None,
) -> list[Progress]:
    """Train an estimator in place and leave it with its best weights.

    Args:
        estimator: with fresh weights, on the libraries' device.
        training: simulations that are learned.
        validation: simulations that are not; the weights with the lowest loss on them are kept.
        schedule: how.
        report: is told of every validation as it happens.

    Returns:
        The history, one entry per validation.

    Raises:
        HpcflowError: if the loss stops being finite.
    """
    seed = schedule.seed
    device = training.device
    estimator.features.fit(training.draw(PILOT, generator_for(seed, "pilot", device=device)).photometry)
    held_out = validation.first(HELD_OUT, generator_for(seed, "held out", device=device))
    flow = estimator.flow
    decay = schedule.average
    averaged = AveragedModel(flow, multi_avg_fn=get_ema_multi_avg_fn(decay)) if decay else None
    optimizer = torch.optim.AdamW(flow.parameters(), schedule.learning_rate, weight_decay=schedule.weight_decay)
    scheduler = LambdaLR(optimizer, schedule.rate)

    history: list[Progress] = []
    best, best_nll, since = copy.deepcopy(flow.state_dict()), math.inf, 0
    total, start = torch.zeros((), device=device), time.monotonic()
    for step in range(1, schedule.steps + 1):
        # Keyed by the step, not drawn in a row: a restart draws the same batches.
        theta, photometry = training.draw(schedule.batch, generator_for(seed, "step", step, device=device))
        loss = -flow(theta, estimator.features(photometry)).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), schedule.clip)
        optimizer.step()
        scheduler.step()
        if averaged is not None:
            averaged.update_parameters(flow)
        total += loss.detach()

        if step % schedule.validate_every and step != schedule.steps:
            continue
        kept = flow if averaged is None else averaged.module
        nll = _loss(kept, estimator, held_out)
        count = (step - 1) % schedule.validate_every + 1
        rate = float(scheduler.get_last_lr()[0])
        elapsed = time.monotonic() - start
        history.append(Progress(step, step * schedule.batch, total.item() / count, nll, rate, elapsed))
        report(history[-1])
        total.zero_()
        if not math.isfinite(history[-1].train_nll + nll):
            raise HpcflowError(f"training diverged near step {step}: lower train.learning_rate and train again")
        if nll < best_nll:
            best, best_nll, since = copy.deepcopy(kept.state_dict()), nll, 0
        else:
            since += 1
        if since >= schedule.patience:
            break
    flow.load_state_dict(best)
    return history


def history_csv(history: list[Progress]) -> str:
    """Return the history as CSV, one row per validation."""
    names = [f.name for f in fields(Progress)]
    rows = [[f"{getattr(line, name):.9g}" for name in names] for line in history]
    return "".join(",".join(row) + "\n" for row in [names, *rows])


@torch.no_grad()
def _loss(flow: torch.nn.Module, estimator: Estimator, held_out: Batch, rows: int = 4096) -> float:
    x = estimator.features(held_out.photometry)
    pieces = zip(held_out.theta.split(rows), x.split(rows), strict=True)
    return -float(torch.cat([flow(theta, features) for theta, features in pieces]).double().mean())
