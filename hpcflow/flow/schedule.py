"""The training schedule: number of steps, batch size, optimizer and learning rate."""

import math
from dataclasses import dataclass
from typing import Literal

__all__ = ["Schedule"]


@dataclass(frozen=True)
class Schedule:
    """A training schedule: the learning rate is warmed up linearly and then annealed along a half cosine.

    Args:
        steps, batch: number of steps, and of examples per step over all ranks.
        optimizer: "muon" for matrices with AdamW for the rest, or "adamw" for all weights; see `flow.optimizers`.
        learning_rate, warmup, weight_decay: settings of the optimizer; warmup in steps.
        average: decay per step of the exponential average of the weights; 0 keeps the last weights instead.
        clip: largest norm of the gradient.
        validate_every, patience: steps between validations, and number of them without improvement that ends training.
        seed: seed of every batch.
        member: number of the flow in an ensemble; each is trained on batches of its own.
        checkpoint_minutes: time between two saves of the state.
        compile: whether to use torch.compile on the density, which takes a minute and pays off in long trainings.
        precision: precision of the matrix products.
    """

    steps: int
    batch: int
    optimizer: Literal["muon", "adamw"]
    learning_rate: float
    warmup: int
    weight_decay: float
    average: float
    clip: float
    validate_every: int
    patience: int
    seed: int
    member: int = 0
    checkpoint_minutes: float = 5.0
    compile: bool = False
    precision: Literal["float32", "bfloat16"] = "float32"

    def rate(self, step: int) -> float:
        """Return the learning rate of a step relative to the highest."""
        warm = min(1.0, (step + 1) / max(1, self.warmup))
        return warm * (0.5 + 0.5 * math.cos(math.pi * min(1.0, step / self.steps))) + 1e-4
