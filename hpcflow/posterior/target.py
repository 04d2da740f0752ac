"""What a cluster's samples are held against: the exact posterior density, where the model has one."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.model.observe import Photometry
from hpcflow.posterior.exact import ExactModel, ExactPosterior
from hpcflow.posterior.likelihood import Likelihood

__all__ = ["Target"]

Floats = NDArray[np.floating]


class Target:
    """Likelihood times prior of any cluster of a model.

    Args:
        likelihood: tractable.
    """

    def __init__(self, likelihood: Likelihood) -> None:
        self._likelihood = likelihood

    def log_prob(self, theta: Floats, one: Photometry) -> Floats:
        """Return log p(photometry | theta) p(theta) (n,) of points theta (n, D), for one cluster (1, B) and (1,)."""
        prior = self._likelihood.prior
        inside = np.clip(theta.astype(np.float64), prior.low, prior.high)  # a float32 may round across its bound
        return self._likelihood(inside[None], one)[0] + prior.log_prob(inside)

    def exact(self, one: Photometry) -> ExactPosterior | None:
        """Return the posterior on the exact grid, None where there is none or the model cannot make such a cluster."""
        if self._model is None:
            return None
        posterior = self._model.posterior(one)
        return posterior if np.isfinite(posterior.log_evidence) else None

    @cached_property
    def _model(self) -> ExactModel | None:
        try:
            return ExactModel(self._likelihood)  # takes a second, and some hundred MB
        except InputError:
            return None
