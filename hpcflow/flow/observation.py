"""Training examples from simulations: each is given a mass and a distance, and is observed."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from hpcflow.flow.randomness import Slice, generator_for
from hpcflow.model.observe import Draws, Observer, Photometry
from hpcflow.model.prior import Prior

__all__ = ["Batch", "Observation"]


class Batch(NamedTuple):
    """Parameters theta (N, D) and the photometry observed for them."""

    theta: Tensor
    photometry: Photometry


class Observation:
    """The way in which rows of a library become examples.

    Args:
        parameters: names of the columns of simulated theta: all parameters of the prior except log_mass.
        prior: all parameters, in the order of the columns of examples.
        observer: draws distances and noise.
        frozen: seed of a single observation of every simulation that is reused throughout, as in the paper;
            None to observe anew in every batch.
    """

    def __init__(self, parameters: Sequence[str], prior: Prior, observer: Observer, frozen: int | None = None) -> None:
        self._observer, self._frozen = observer, frozen
        self._columns = [list(parameters).index(name) if name in parameters else -1 for name in prior.names]
        mass = prior.select(["log_mass"]).parameters[0]
        self._mass = (mass.low, mass.high)

    def keep(self, theta: Tensor, flux: Tensor, *key: object) -> tuple[Tensor, ...]:
        """Return the columns to keep of n rows: the rows themselves, or their frozen observation.

        Args:
            theta: (n, D') simulated parameters.
            flux: (n, B) noiseless fluxes in mJy at 10 pc per solar mass formed.
            key: key of the random numbers of a frozen observation.
        """
        if self._frozen is None:
            return theta, flux
        once = Slice(len(theta), generator_for(self._frozen, "frozen", *key, device=theta.device))
        batch = self.observe(theta, flux, [once])
        return batch.theta, *batch.photometry

    def examples(self, kept: Sequence[Tensor], slices: Sequence[Slice]) -> Batch:
        """Return the examples (N) of kept rows (N, ...), slice after slice."""
        if self._frozen is None:
            theta, flux = kept
            return self.observe(theta, flux, slices)
        theta, *photometry = kept
        return Batch(theta, Photometry(*photometry))

    def observe(self, theta: Tensor, flux: Tensor, slices: Sequence[Slice]) -> Batch:
        """Observe simulations (N) anew, slice after slice."""
        bands, device = flux.shape[1], flux.device
        errors, normals = self._observer.columns(bands)
        # Two calls per slice and one observation of all slices, because each call has a fixed cost.
        uniform = torch.cat([torch.rand((n, 3 + errors + bands), generator=g, device=device) for n, g in slices])
        noise = torch.cat([torch.randn((n, normals), generator=g, device=device) for n, g in slices])
        mass, distance, band_set, error, missing = uniform.split([1, 1, 1, errors, bands], dim=1)
        low, high = self._mass
        log_mass = low + (high - low) * mass[:, 0]
        draws = Draws(distance[:, 0], band_set[:, 0], error, missing, noise)
        columns = [log_mass if column < 0 else theta[:, column] for column in self._columns]
        return Batch(torch.stack(columns, dim=1), self._observer.observe(flux, log_mass, draws))
