"""The target density of importance sampling: likelihood times prior, and the exact posterior if the model has one."""

from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.model.observe import Photometry
from hpcflow.posterior.exact import ExactModel
from hpcflow.posterior.likelihood import Likelihood

__all__ = ["Posterior", "Target"]

Floats = NDArray[np.floating]


class Posterior(Protocol):
    """The posterior of one cluster, with a known density and exact samples."""

    @property
    def log_evidence(self) -> float:
        """Return log p(photometry)."""

    def log_prob(self, theta: Floats) -> Floats:
        """Return log p(theta | photometry) (n,) per declared unit at points theta (n, D)."""

    def sample(self, n: int, rng: np.random.Generator) -> Floats:
        """Return `n` independent samples (n, D)."""

    def modes(self, n: int, rng: np.random.Generator) -> Floats:
        """Return up to `n` modes (m, D), highest first."""


class Target:
    """Likelihood times prior of a model, for any cluster.

    Args:
        likelihood: likelihood of the model.

    Attributes:
        prior: prior of the model.
    """

    def __init__(self, likelihood: Likelihood) -> None:
        self._likelihood, self.prior = likelihood, likelihood.prior

    def log_prob(self, theta: Floats, one: Photometry) -> Floats:
        """Return log of p(photometry | theta) p(theta) (n,) at points theta (n, D), for one object, (1, B)."""
        return self.log_prob_each(theta[None], one)[0]

    def log_prob_each(self, theta: Floats, photometry: Photometry) -> Floats:
        """Return the same (N, n) at points theta (N, n, D) of N objects, all arrays (N, B)."""
        low, high = self.prior.low, self.prior.high
        inside = np.clip(theta.astype(np.float64), low, high)  # float32 values may round across the bound
        return self._likelihood(inside, photometry) + self.prior.log_prob(inside)

    def log_perfect(self, one: Photometry) -> float:
        """Return log p(photometry | fluxes equal to the observed ones), the most that any model can reach."""
        return self._likelihood.log_perfect(one)

    def exact(self, one: Photometry) -> Posterior | None:
        """Return the posterior on the exact grid; None if the model has none or cannot produce such a cluster."""
        if self._model is None:
            return None
        posterior = self._model.posterior(one)
        return posterior if np.isfinite(posterior.log_evidence) else None

    @cached_property
    def _model(self) -> ExactModel | None:
        try:
            return ExactModel(self._likelihood)  # takes a second and some hundred MB, so only on demand
        except InputError:
            return None
