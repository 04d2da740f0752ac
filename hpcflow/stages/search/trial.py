"""One trial of a search: a flow that is trained only for its validation loss, and not kept."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from hpcflow.config.load import Config
from hpcflow.flow.precision import one_thread
from hpcflow.flow.training import train
from hpcflow.stages.build import build_schedule
from hpcflow.stages.library import open_library
from hpcflow.stages.run import Run
from hpcflow.stages.trained import untrained_flow
from hpcflow.store.simulations import SimulationStore

__all__ = ["train_trial"]


def train_trial(config: Config, run: str, report: Callable[[int, float], None]) -> float:
    """Train a single flow with the config's section train, for `search.steps` steps if set.

    Args:
        config: what to train.
        run: folder of the run with the library.
        report: called with step and NLL after every validation; an exception that it raises ends the training.

    Returns:
        The lowest validation NLL in nats.

    Raises:
        HpcflowError: if training diverges.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    one_thread()
    torch.manual_seed(config.train.seed)  # for the initial weights
    store = SimulationStore.open(Run(Path(run)).simulations)
    training, held_out = open_library(config, store, device)
    estimator = untrained_flow(config).to(device)
    schedule = replace(build_schedule(config), steps=config.search.steps or config.train.steps)
    history = train(estimator, training, held_out, schedule, report=lambda line: report(line.step, line.validation_nll))
    return min(line.validation_nll for line in history)
