"""A library too large for memory: a pool of its blocks, of which one is exchanged every so many steps."""

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
    """Which blocks are in the pool at which step: a function of the seed and the step alone.

    Blocks follow each other in an endless row of shuffled passes; the pool is a window on it that moves on by one
    block every `every` steps.

    Args:
        blocks: number of blocks.
        resident: how many of them are in the pool.
        every: steps between two exchanges.
        seed: of the order.
    """

    blocks: int
    resident: int
    every: int
    seed: int

    def window(self, step: int) -> range:
        """Return the places in the endless row that are in the pool at a step, which count from 1."""
        first = max(0, step - 1) // self.every
        return range(first, first + self.resident)

    def block(self, place: int) -> int:
        """Return which block is at a place of the endless row."""
        through, position = divmod(place, self.blocks)
        order = torch.randperm(self.blocks, generator=generator_for(self.seed, "pass", through))
        return int(order[position])


class Stream:
    """Examples from the pool; a thread reads the next block while this one is trained on.

    `pool` is a list of columns (resident * rows, ...), made with the first block and never larger.

    Args:
        read: returns theta (n, D') and flux (n, B) of a block, without the rows that failed.
        rows: the most rows a block has.
        plan: which blocks are in the pool when.
        observation: how rows become examples.
        device: where the pool lies and batches are made.
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
        """Have the blocks in the pool that belong to a step.

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
            raise InputError(f"none of the {self._plan.resident} blocks of simulations read has a usable row")
        counts = torch.tensor(self._counts)
        ends = counts.cumsum(0)
        starts = torch.arange(self._plan.resident) * self._rows
        self._ends, self._shifts = ends.to(self.device), (starts - (ends - counts)).to(self.device)
        self._ahead = (window.stop, self._thread.submit(self._read, self._plan.block(window.stop)))

    def close(self) -> None:
        """Read no more; a block that is on its way still comes."""
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
