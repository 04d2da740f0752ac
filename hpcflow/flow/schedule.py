"""How long and how fast to train."""

import math
from dataclasses import dataclass
from typing import Literal

__all__ = ["Schedule"]


@dataclass(frozen=True)
class Schedule:
    """How to train: steps of `batch` examples, learning rate warmed up and then annealed along a half cosine.

    Args:
        steps, batch: how long, and how many examples at a time, of all ranks together.
        optimizer: "muon" for matrices, with AdamW for the rest, or "adamw" for all; see `flow.optimizers`.
        learning_rate, warmup, weight_decay: of the optimizer; warmup in steps.
        average: decay per step of the exponential average of weights that is kept; 0 keeps the last weights.
        clip: largest norm of a gradient.
        validate_every, patience: steps between validations, and how many without a gain end the training.
        seed: of every batch.
        member: which of an ensemble's flows; each sees batches of its own.
        checkpoint_minutes: between two saves of the state.
        compile: whether torch.compile translates the density, which takes a minute and pays in long trainings.
        precision: of the matrix products.
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
