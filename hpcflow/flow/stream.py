"""Training on a library larger than memory: a pool holds some of its blocks, and one is replaced every few steps."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpcflow.base.errors import InputError
from hpcflow.flow.batches import Batch
from hpcflow.flow.observation import Observation
from hpcflow.flow.randomness import Slice, generator_for

__all__ = ["Plan", "Stream"]

Rows = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True)
class Plan:
    """The blocks in the pool at each step, which depend on the seed and the step only.

    Shuffled passes over the blocks follow each other without end; the pool is a window on this sequence, and moves
    forward by one block every `every` steps.

    Args:
        blocks: number of blocks.
        resident: number of them in the pool.
        every: number of steps between two replacements.
        seed: seed of the order.
    """

    blocks: int
    resident: int
    every: int
    seed: int

    def window(self, step: int) -> range:
        """Return the places of the sequence that are in the pool at a step; steps count from 1."""
        first = max(0, step - 1) // self.every
        return range(first, first + self.resident)

    def block(self, place: int) -> int:
        """Return the block at a place of the sequence."""
        through, position = divmod(place, self.blocks)
        order = torch.randperm(self.blocks, generator=generator_for(self.seed, "pass", through))
        return int(order[position])


class Stream:
    """Examples from a pool of blocks; a thread reads the next block while training uses the present ones.

    `pool` is a list of columns (resident * rows, ...); it is allocated with the first block and never grows.

    Args:
        read: function that returns theta (n, D') and flux (n, B) of a block, without failed rows.
        rows: largest number of rows of a block.
        plan: the blocks in the pool at each step.
        observation: how rows become examples.
        device: where to hold the pool and make batches.
    """

    def __init__(
        self,
        read: Callable[[int], Rows],
        rows: int,
        plan: Plan,
        observation: Observation,
        device: torch.device | str = "cpu",
    ) -> None:
        self._read, self._rows, self._plan, self._observation = read, rows, plan, observation
        self.device = torch.device(device)
        self.waited = 0.0
        self.pool: list[Tensor] = []
        self._places: list[int | None] = [None] * plan.resident
        self._counts = [0] * plan.resident
        self._ends = self._shifts = torch.zeros(plan.resident, dtype=torch.int64)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hpcflow-read")
        self._ahead: tuple[int, Future[Rows]] | None = None

    def __len__(self) -> int:
        return sum(self._counts)

    def __str__(self) -> str:
        return f"{self._plan.blocks} blocks of up to {self._rows} simulations, {self._plan.resident} at a time"

    def seek(self, step: int) -> None:
        """Load the blocks of a step into the pool.

        Raises:
            InputError: if none of their rows is usable.
        """
        window = self._plan.window(step)
        missing = [place for place in window if self._places[place % self._plan.resident] != place]
        if not missing:
            return
        for place in missing:
            self._put(place, self._fetch(place))
        if not len(self):
            raise InputError(
                f"none of the {self._plan.resident} blocks of simulations in memory has a usable row; "
                "the log of `hpcflow simulate` says why rows failed"
            )
        counts = torch.tensor(self._counts)
        ends = counts.cumsum(0)
        starts = torch.arange(self._plan.resident) * self._rows
        self._ends, self._shifts = ends.to(self.device), (starts - (ends - counts)).to(self.device)
        self._ahead = (window.stop, self._thread.submit(self._read, self._plan.block(window.stop)))

    def close(self) -> None:
        """Stop reading, once a block that is being read has been read."""
        self._thread.shutdown()

    def draw(self, n: int, generator: torch.Generator) -> Batch:
        """Return `n` examples, chosen with replacement from the rows in the pool."""
        return self.gather([Slice(n, generator)])

    def gather(self, slices: Sequence[Slice]) -> Batch:
        """Return the examples of several slices, one after the other, each from its own random numbers."""
        chosen = torch.cat([torch.randint(len(self), (n,), generator=g, device=self.device) for n, g in slices])
        rows = chosen + self._shifts[torch.searchsorted(self._ends, chosen, right=True)]
        return self._observation.examples([column[rows] for column in self.pool], slices)

    def _fetch(self, place: int) -> Rows:
        began = time.monotonic()
        ahead, self._ahead = self._ahead, None
        rows = ahead[1].result() if ahead and ahead[0] == place else self._read(self._plan.block(place))
        self.waited += time.monotonic() - began
        return rows

    def _put(self, place: int, rows: Rows) -> None:
        theta, flux = (torch.from_numpy(part).to(self.device) for part in rows)
        columns = self._observation.keep(theta, flux, self._plan.block(place))
        if not self.pool:
            size = self._plan.resident * self._rows
            self.pool = [column.new_empty((size, *column.shape[1:])) for column in columns]
        slot = place % self._plan.resident
        for whole, column in zip(self.pool, columns, strict=True):
            whole[slot * self._rows :][: len(column)] = column
        self._places[slot], self._counts[slot] = place, len(theta)
