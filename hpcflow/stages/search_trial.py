"""One trial of a search: a flow that is trained for its validation loss alone, and kept by no one."""

from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from hpcflow.config import Config
from hpcflow.flow.batches import Library
from hpcflow.flow.estimator import Estimator
from hpcflow.flow.precision import one_thread
from hpcflow.flow.training import Schedule, train
from hpcflow.stages.build import build_observer, build_prior
from hpcflow.stages.run import Run
from hpcflow.store.simulations import SimulationStore

__all__ = ["train_trial"]


def train_trial(config: Config, run: str, report: Callable[[int, float], None]) -> float:
    """Train a single flow, with the config's train section, for as many steps as its search says.

    Args:
        config: what to train.
        run: folder whose library is learned.
        report: is told the step and the validation NLL of every validation; what it raises ends the training.

    Returns:
        The lowest validation NLL in nats.

    Raises:
        HpcflowError: if training diverges.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    one_thread()
    torch.manual_seed(config.train.seed)  # of the weights
    prior, observer = build_prior(config), build_observer(config)
    frozen = config.train.seed if config.observe.draws == "frozen" else None
    columns, learned, held_out = _library(run, device)
    training = Library(*learned, columns, prior, observer, frozen)
    validation = Library(*held_out, columns, prior, observer)
    bands, flow = tuple(config.model.bands), config.train.flow.model_dump(mode="json")
    estimator = Estimator(prior, bands, config.train.features, flow).to(device)
    return _lowest_loss(estimator, training, validation, config, report)


def _lowest_loss(
    estimator: Estimator,
    training: Library,
    validation: Library,
    config: Config,
    report: Callable[[int, float], None],
) -> float:
    """Train; the only place that knows how `train` is called."""
    schedule = Schedule(**{field.name: getattr(config.train, field.name) for field in fields(Schedule)})
    schedule = replace(schedule, steps=config.search.steps or config.train.steps)
    history = train(estimator, training, validation, schedule, lambda line: report(line.step, line.validation_nll))
    return min(line.validation_nll for line in history)


@cache
def _library(run: str, device: torch.device) -> tuple[list[str], tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return the names of theta's columns, and theta and flux to learn and to measure on; a worker reads them once."""
    store = SimulationStore.open(Run(Path(run)).simulations)

    def part(name: str) -> tuple[Tensor, Tensor]:
        theta, flux = store.rows(name)
        return torch.from_numpy(theta).to(device), torch.from_numpy(flux).to(device)

    return store.parameters, part("train"), part("validation")
