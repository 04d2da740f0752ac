"""The simulations that a flow is trained and validated on."""

import torch

from hpcflow.config.load import Config
from hpcflow.flow.batches import Batch, Library, Source, generator_for
from hpcflow.flow.observation import Observation
from hpcflow.flow.stream import Plan, Stream
from hpcflow.flow.training import HELD_OUT
from hpcflow.stages.build import build_observer, build_prior
from hpcflow.store.simulations import SimulationStore

__all__ = ["open_library"]

BLOCKS = 64  # in memory at once, if blocks can be small enough: the more, the better simulations are mixed


def open_library(config: Config, store: SimulationStore, device: torch.device) -> tuple[Source, Batch]:
    """Return the training simulations, whole or as a stream of blocks, and the held-out examples.

    Raises:
        InputError: if partitions are missing.
    """
    prior, observer = build_prior(config), build_observer(config)
    frozen = config.train.seed if config.observe.draws == "frozen" else None

    def library(part: str, enough: int | None = None, frozen: int | None = None) -> Library:
        theta, flux = (torch.from_numpy(columns).to(device) for columns in store.rows(part, enough))
        return Library(theta, flux, store.parameters, prior, observer, frozen)

    held_out = library("validation", HELD_OUT).first(
        HELD_OUT, generator_for(config.train.seed, "held out", device=device)
    )
    budget = int(1e9 * config.train.resident_gb) // (4 * (len(store.parameters) + len(store.bands)))  # rows
    if sum(map(len, store.blocks("train"))) <= budget:
        return library("train", frozen=frozen), held_out
    blocks = store.blocks("train", budget // BLOCKS)
    rows = max(map(len, blocks))
    plan = Plan(
        blocks=len(blocks),
        resident=min(len(blocks), max(2, budget // rows)),
        every=max(1, rows // config.train.batch),  # a pass draws as many examples as there are simulations
        seed=config.train.seed,
    )
    observation = Observation(store.parameters, prior, observer, frozen)
    return Stream(lambda index: store.read_block(blocks[index]), rows, plan, observation, device), held_out
