"""What samples are drawn from before they are weighted: a trained flow, or the exact posterior on its grid."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpcflow.flow.estimator import Estimator
from hpcflow.model.observe import Photometry
from hpcflow.model.prior import Prior
from hpcflow.model.scale import Scale
from hpcflow.posterior.exact import ExactModel
from hpcflow.posterior.quasirandom import INDEPENDENT, keyed_noise, keyed_uniform
from hpcflow.posterior.sampling import BLOCK, conditions, embedded, padded, sample
from hpcflow.posterior.uncertain import sample_at

__all__ = ["ExactProposal", "FlowProposal", "Proposal", "Proposals"]

Key = tuple[str, str]
Floats = NDArray[np.floating]
Density = Callable[[Floats], Floats]


class Proposals(Protocol):
    """The proposals for up to BLOCK objects; none depends on the others."""

    def samples(self, n: int) -> tuple[Tensor, Tensor]:
        """Return samples (N, n, D) in declared units, at what is given of each object in turn, and log q (N, n)."""

    def more(self, k: int, n: int) -> tuple[Floats, Floats]:
        """Return n further samples (n, D) of object k, and log q (n,)."""

    def log_q(self, k: int) -> Density:
        """Return log q as a function of points (n, D), for object k."""

    def log_q_at(self, places: Floats) -> Floats:
        """Return log q (N, M) at places (N, M, D) of all objects."""


class Proposal(Protocol):
    """A density that is close to the posterior of any object."""

    prior: Prior
    bands: tuple[str, ...]
    scale: Scale

    def of(self, photometry: Photometry, ones: Sequence[list[Photometry]], keys: Sequence[Key]) -> Proposals:
        """Return the proposals for N objects.

        Args:
            photometry: photometry with the best values of what is given.
            ones: for each object, its photometry with each of the values drawn; see `at_given`.
            keys: galaxy and identifier of each, which select its random numbers.
        """


class FlowProposal:
    """A trained flow.

    Args:
        estimator: the flow.
        seed: seed of all random numbers.
        sampling: kind of its noise, see `posterior.quasirandom`.
        columns: the flow's columns that are the bands of the photometry; all if None. The others are not observed.
    """

    def __init__(
        self, estimator: Estimator, seed: int, sampling: str = INDEPENDENT, columns: Sequence[int] | None = None
    ) -> None:
        self.estimator, self.seed, self.sampling = estimator, seed, sampling
        self.prior, self.scale = estimator.prior, estimator.scale
        self._columns = list(range(len(estimator.bands)) if columns is None else columns)
        self.bands = tuple(estimator.bands[column] for column in self._columns)

    def of(self, photometry: Photometry, ones: Sequence[list[Photometry]], keys: Sequence[Key]) -> Proposals:
        """Return the proposals for N objects; see `Proposal`."""
        whole = [[self._whole(one) for one in of] for of in ones]
        return _OfFlow(self, self._whole(photometry), whole, keys)

    def _whole(self, photometry: Photometry) -> Photometry:
        """Return photometry (N, B) in the flow's own bands."""
        bands = len(self.estimator.bands)
        if self._columns == list(range(bands)):
            return photometry

        def placed(values: NDArray[Any], empty: float | bool) -> NDArray[Any]:
            whole = np.full((len(values), bands), empty)
            whole[:, self._columns] = values
            return whole

        flux, sigma, observed, given = photometry
        return Photometry(placed(flux, np.nan), placed(sigma, np.nan), placed(observed, False), given)

    def noise(self, key: Sequence[object], n: int, values: int) -> Tensor:
        """Return the noise (n, D) of an object, for samples at a number of given values in turn."""
        parts = values * self.estimator.members
        return keyed_noise(self.seed, key, n, self.estimator.flow.dim, self.sampling, parts)


class _OfFlow:
    """Blocks are padded to BLOCK objects wherever numbers could depend on how many there are."""

    def __init__(
        self, proposal: FlowProposal, photometry: Photometry, ones: Sequence[list[Photometry]], keys: Sequence[Key]
    ) -> None:
        self._proposal, self._ones, self._keys = proposal, ones, keys
        self._flow = proposal.estimator.flow
        self._context = embedded(self._flow, conditions(proposal.estimator, photometry))

    def samples(self, n: int) -> tuple[Tensor, Tensor]:
        pairs = list(zip(self._keys, self._ones, strict=True))
        noise = [self._proposal.noise(key, n, len(ones)) for key, ones in pairs]
        if all(len(ones) == 1 for ones in self._ones):
            return sample(self._flow, self._context, torch.stack(noise))
        estimator = self._proposal.estimator
        drawn = [sample_at(estimator, ones, own) for ones, own in zip(self._ones, noise, strict=True)]
        theta, log_q = (torch.stack(part) for part in zip(*drawn, strict=True))
        return theta, log_q

    def more(self, k: int, n: int) -> tuple[Floats, Floats]:
        noise = self._proposal.noise((*self._keys[k], "again"), n, len(self._ones[k]))
        theta, log_q = sample_at(self._proposal.estimator, self._ones[k], noise)
        return theta.numpy(), log_q.numpy()

    def log_q(self, k: int) -> Density:
        @torch.inference_mode()
        def log_q(theta: Floats) -> Floats:
            points = torch.from_numpy(theta).float()[None]
            return self._flow.log_prob_given(points, self._context[k][None])[0].numpy()

        return log_q

    @torch.inference_mode()
    def log_q_at(self, places: Floats) -> Floats:
        points = padded(torch.from_numpy(places).float(), BLOCK)
        return self._flow.log_prob_given(points, padded(self._context, BLOCK)).numpy()[: len(places)]


class ExactProposal:
    """The exact posterior on its grid, of which weights remove what is left of the cells' size.

    Args:
        model: the model's exact posteriors.
        seed: seed of all random numbers.
    """

    def __init__(self, model: ExactModel, seed: int) -> None:
        likelihood = model.likelihood
        self.model, self.seed, self.prior, self.scale = model, seed, likelihood.prior, likelihood.forward.scale
        self.bands = tuple(likelihood.forward.bands)

    def of(self, photometry: Photometry, ones: Sequence[list[Photometry]], keys: Sequence[Key]) -> Proposals:
        """Return the proposals for N objects; see `Proposal`."""
        return _OfGrid(self, photometry, ones, keys)


class _OfGrid:
    def __init__(
        self, proposal: ExactProposal, photometry: Photometry, ones: Sequence[list[Photometry]], keys: Sequence[Key]
    ) -> None:
        self._proposal, self._photometry, self._ones, self._keys = proposal, photometry, ones, keys
        self._posteriors = proposal.model.posteriors(photometry)
        self._size = proposal.prior.names.index(proposal.scale.parameter)

    def samples(self, n: int) -> tuple[Tensor, Tensor]:
        drawn = [self._drawn(k, key, n) for k, key in enumerate(self._keys)]
        theta, log_q = (torch.from_numpy(np.stack(part)) for part in zip(*drawn, strict=True))
        return theta, log_q

    def more(self, k: int, n: int) -> tuple[Floats, Floats]:
        return self._drawn(k, (*self._keys[k], "again"), n)

    def log_q(self, k: int) -> Density:
        return self._posteriors[k].log_prob

    def log_q_at(self, places: Floats) -> Floats:
        return np.stack([one.log_prob(own) for one, own in zip(self._posteriors, places, strict=True)])

    def _drawn(self, k: int, key: Sequence[object], n: int) -> tuple[Floats, Floats]:
        """Draw samples of object k, and move each to its own given values: the size makes up for them."""
        posterior, ones, prior = self._posteriors[k], self._ones[k], self._proposal.prior
        if not np.isfinite(posterior.log_evidence):
            return np.full((n, len(prior.names)), np.nan), np.full(n, np.nan)
        uniform = keyed_uniform(self._proposal.seed, key, n, len(prior.names), parts=len(ones))
        theta, log_q = posterior.draw(uniform)
        if len(ones) > 1:
            given = np.concatenate([one.given for one in ones])
            offsets = self._proposal.scale.shift(given, self._photometry.given[k : k + 1])
            size = theta[:, self._size] + np.resize(offsets, n)
            theta[:, self._size] = np.clip(size, prior.low[self._size], prior.high[self._size])
            log_q = np.where(size == theta[:, self._size], log_q, np.inf)  # outside the prior: no weight
        return theta, log_q
