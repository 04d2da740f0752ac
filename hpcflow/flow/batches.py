"""An endless supply of training examples from a library of noiseless fluxes, observed anew for every batch."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from hpcflow.flow.observation import Batch, Observation
from hpcflow.flow.randomness import Slice, generator_for
from hpcflow.model.observe import Observer
from hpcflow.model.prior import Prior

__all__ = ["Batch", "Library", "Source", "generator_for"]


class Source(Protocol):
    """A source of training examples: a whole library, or the part of it that is resident at a step."""

    waited: float  # seconds spent idle, waiting for rows

    @property
    def device(self) -> torch.device:
        """The device on which batches are made."""

    def seek(self, step: int) -> None:
        """Make the rows of a step resident."""

    def draw(self, n: int, generator: torch.Generator) -> Batch:
        """Return `n` examples, chosen with replacement."""

    def gather(self, slices: Sequence[Slice]) -> Batch:
        """Return the examples of several slices, one after the other, each from its own random numbers."""


class Library:
    """Simulated unscaled fluxes on a device, and the Observer that turns them into examples.

    Args:
        theta: (n, D') simulated parameters, with columns in the order of `parameters`.
        flux: (n, B) unscaled noiseless fluxes.
        parameters: names of theta's columns; see `Observation`.
        prior: all parameters, in the order of the columns of examples.
        observer: draws what is given, and noise.
        frozen: seed of a single observation of every simulation that is reused throughout, as in the paper;
            None to observe anew in every batch.
    """

    def __init__(
        self,
        theta: Tensor,
        flux: Tensor,
        parameters: list[str],
        prior: Prior,
        observer: Observer,
        frozen: int | None = None,
    ) -> None:
        self._theta, self._flux = theta, flux
        self._observation = Observation(parameters, prior, observer, frozen)
        self._kept = self._observation.keep(theta, flux)
        self.waited = 0.0

    def __len__(self) -> int:
        return len(self._theta)

    def __str__(self) -> str:
        return f"{len(self)} simulations"

    @property
    def device(self) -> torch.device:
        """The device that holds the library and makes its batches."""
        return self._theta.device

    def seek(self, step: int) -> None:
        """Do nothing: all rows are always resident."""

    def draw(self, n: int, generator: torch.Generator) -> Batch:
        """Return `n` examples, chosen with replacement."""
        return self.gather([Slice(n, generator)])

    def gather(self, slices: Sequence[Slice]) -> Batch:
        """Return the examples of several slices, one after the other, each from its own random numbers."""
        rows = torch.cat([torch.randint(len(self), (n,), generator=g, device=self.device) for n, g in slices])
        return self._observation.examples([column[rows] for column in self._kept], slices)

    def first(self, n: int, generator: torch.Generator) -> Batch:
        """Return one example of each of the first `n` simulations, as a fixed set to validate on."""
        theta, flux = self._theta[:n], self._flux[:n]
        return self._observation.observe(theta, flux, [Slice(len(theta), generator)])
