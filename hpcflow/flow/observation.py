"""Training examples from simulations: each is scaled, for clusters by a mass and a distance, and is observed."""

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
        parameters: names of the columns of simulated theta. Those of the prior are among them, and the scale's if the
            simulator takes it; else it is drawn with each observation. So are the given quantities that are simulated,
            and nuisance parameters, which examples do not have.
        prior: all parameters, in the order of the columns of examples.
        observer: draws what is given, and noise.
        frozen: seed of a single observation of every simulation that is reused throughout, as in the paper;
            None to observe anew in every batch.
    """

    def __init__(self, parameters: Sequence[str], prior: Prior, observer: Observer, frozen: int | None = None) -> None:
        self._observer, self._frozen = observer, frozen
        self._columns = [list(parameters).index(name) if name in parameters else -1 for name in prior.names]
        scale = observer.scale
        self._taken = list(parameters).index(scale.parameter) if scale.parameter in parameters else None
        drawn = scale.parameter and self._taken is None
        self._size = prior.select([scale.parameter]).parameters[0] if drawn else None
        self._simulated = [list(parameters).index(scale.given[k].name) for k in scale.simulated]

    def keep(self, theta: Tensor, flux: Tensor, *key: object) -> tuple[Tensor, ...]:
        """Return the columns to keep of n rows: the rows themselves, or their frozen observation.

        Args:
            theta: (n, D') simulated parameters.
            flux: (n, B) unscaled noiseless fluxes.
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
        widths = [int(self._size is not None), len(self._observer.scale.drawn), 1, errors, bands]
        # Two calls per slice and one observation of all slices, because each call has a fixed cost.
        uniform = torch.cat([torch.rand((n, sum(widths)), generator=g, device=device) for n, g in slices])
        noise = torch.cat([torch.randn((n, normals), generator=g, device=device) for n, g in slices])
        place, given, band_set, error, missing = uniform.split(widths, dim=1)
        size = None if self._size is None else self._size.low + (self._size.high - self._size.low) * place[:, 0]
        columns = [theta[:, column] if size is None or column >= 0 else size for column in self._columns]
        size = size if self._taken is None else theta[:, self._taken]
        draws = Draws(given, band_set[:, 0], error, missing, noise)
        photometry = self._observer.observe(flux, size, draws, theta[:, self._simulated])
        return Batch(torch.stack(columns, dim=1), photometry)
