"""Training examples without end: a library of noiseless fluxes, observed anew for every batch."""

import hashlib
from typing import NamedTuple

import torch
from torch import Tensor

from hpcflow.model.observe import Draws, Observer, Photometry
from hpcflow.model.prior import Prior

__all__ = ["Batch", "Library", "generator_for"]


class Batch(NamedTuple):
    """Parameters theta (N, D) and what was observed of them."""

    theta: Tensor
    photometry: Photometry


class Library:
    """Simulated unit-mass fluxes on a device, and the Observer that turns them into examples.

    Args:
        theta: (n, D') simulated parameters, columns as `parameters`.
        flux: (n, B) noiseless fluxes in mJy at 10 pc per solar mass formed.
        parameters: names of theta's columns; of the prior's, only log_mass is not among them.
        prior: all parameters, in the order examples have them.
        observer: distance and noise.
        frozen: seed of one observation of every simulation that is used again and again, as the paper does;
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
        self._theta, self._flux, self._observer = theta, flux, observer
        self._columns = [parameters.index(name) if name in parameters else -1 for name in prior.names]
        mass = prior.select(["log_mass"]).parameters[0]
        self._mass = (mass.low, mass.high)
        self._frozen: Batch | None = None
        if frozen is not None:
            self._frozen = self._observe(torch.arange(len(self)), generator_for(frozen, "frozen", device=self.device))

    def __len__(self) -> int:
        return len(self._theta)

    @property
    def device(self) -> torch.device:
        """Where the library lies and its batches are made."""
        return self._theta.device

    def draw(self, n: int, generator: torch.Generator) -> Batch:
        """Return `n` examples, chosen with replacement."""
        rows = torch.randint(len(self), (n,), generator=generator, device=self.device)
        if self._frozen is not None:
            return Batch(self._frozen.theta[rows], Photometry(*(a[rows] for a in self._frozen.photometry)))
        return self._observe(rows, generator)

    def first(self, n: int, generator: torch.Generator) -> Batch:
        """Return an example of each of the first `n` simulations: a fixed set to measure on."""
        return self._observe(torch.arange(min(n, len(self)), device=self.device), generator)

    def _observe(self, rows: Tensor, generator: torch.Generator) -> Batch:
        flux, theta = self._flux[rows], self._theta[rows]
        (n, bands), device = flux.shape, self.device

        def uniform(*shape: int) -> Tensor:
            return torch.rand(shape, generator=generator, device=device)

        low, high = self._mass
        log_mass = low + (high - low) * uniform(n)
        noise = torch.randn((n, bands), generator=generator, device=device)
        draws = Draws(uniform(n), uniform(n), uniform(n, bands), uniform(n, bands), noise)
        columns = [log_mass if column < 0 else theta[:, column] for column in self._columns]
        return Batch(torch.stack(columns, dim=1), self._observer.observe(flux, log_mass, draws))


def generator_for(seed: int, *key: object, device: torch.device | str = "cpu") -> torch.Generator:
    """Return torch's random numbers that belong to `key` under `seed`, the same ones whenever they are asked for."""
    text = "\0".join(map(str, (seed, *key))).encode()
    number = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) >> 1
    return torch.Generator(device=device).manual_seed(number)
