"""Marginalisation over the errors of what is given, such as a distance: samples are drawn at several values of it.

The posterior is the mean over d of p(theta | photometry, d) with ln d normally distributed, if d is a distance: the
photometry of one cluster does not constrain its distance, because mass compensates for it. The samples are shared out
among `GROUPS` distances, one from each of as many intervals of equal probability. The weight of a sample is the
likelihood at its own d times the prior over q(theta | photometry, d): in the joint space of theta and d the
distribution of d is in both the posterior and the proposal, and cancels.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import norm
from torch import Tensor

from hpcflow.base.partitions import rng_for
from hpcflow.flow.estimator import Estimator
from hpcflow.model.observe import Photometry
from hpcflow.model.prior import Prior
from hpcflow.model.scale import Given, Scale
from hpcflow.posterior.sampling import conditions, embedded, padded, sample
from hpcflow.posterior.target import Posterior, Target

__all__ = ["GROUPS", "TargetAtGiven", "at_given", "sample_at"]

Floats = NDArray[np.floating]

GROUPS = 20  # values per object; so many intervals of a normal distribution keep its moments to a thousandth


def at_given(
    one: Photometry, errors: Floats, quantities: Sequence[Given], seed: int, key: tuple[str, str]
) -> list[Photometry]:
    """Return one object's photometry (1, B) with what is given drawn from its errors; unchanged if these are 0.

    Args:
        one: photometry with the best values of what is given.
        errors: (K,) standard deviations, in dex or in the quantity's unit; see `Given.dex`.
        quantities: what is given.
        seed: seed of all random numbers.
        key: galaxy and identifier of the object, which select its random numbers.
    """
    if not (errors > 0).any():
        return [one]
    given = np.repeat(np.asarray(one.given, dtype=np.float64), GROUPS, axis=0)
    for k, quantity in enumerate(quantities):
        if errors[k] > 0:
            rng = rng_for(seed, quantity.name, *key)
            offsets = rng.permutation(errors[k] * norm.ppf((np.arange(GROUPS) + rng.random(GROUPS)) / GROUPS))
            given[:, k] = given[:, k] * 10**offsets if quantity.dex else given[:, k] + offsets
    return [one._replace(given=row[None]) for row in given]


@torch.inference_mode()
def sample_at(estimator: Estimator, ones: list[Photometry], noise: Tensor) -> tuple[Tensor, Tensor]:
    """Turn noise (n, D) into samples (n, D) and log q (n,); sample i is that of number i modulo len(ones)."""
    photometry = Photometry(*(np.concatenate(part) for part in zip(*ones, strict=True)))
    context = embedded(estimator.flow, conditions(estimator, photometry))
    n, filled = len(noise), padded(noise, len(ones))
    dealt = filled.unflatten(0, (-1, len(ones))).transpose(0, 1).contiguous()
    theta, log_q = sample(estimator.flow, context, dealt)
    return theta.transpose(0, 1).flatten(0, 1)[:n], log_q.T.flatten()[:n]


class TargetAtGiven:
    """Likelihood times prior of one object's samples, each with what is given as `sample_at` drew it.

    Args:
        target: the object's target density whatever is given.
        one: photometry with the best values of what is given.
        ones: photometry with each of the values drawn.
        scale: how fluxes depend on them.

    Attributes:
        given: (G, K) the values drawn.
    """

    def __init__(self, target: Target, one: Photometry, ones: list[Photometry], scale: Scale) -> None:
        self._target, self._one, self._ones, self._scale = target, one, ones, scale
        self.given = np.concatenate([here.given for here in ones])

    def log_prob(self, theta: Floats) -> Floats:
        """Return log of p(photometry | theta, given) p(theta) (n,) at points theta (n, D), each with its own values."""
        found = np.empty(len(theta))
        for i, here in enumerate(self._ones):
            mine = slice(i, None, len(self._ones))
            found[mine] = self._target.log_prob(theta[mine], here)
        return found

    def exact(self) -> Posterior | None:
        """Return the posterior on the exact grid, with samples at all values drawn; see `Target.exact`."""
        exact = self._target.exact(self._one)
        if exact is None or len(self._ones) == 1:
            return exact
        prior, offsets = self._target.prior, self._scale.shift(self.given, self._one.given)
        return _Moved(exact, prior, prior.names.index(self._scale.parameter), offsets)


class _Moved:
    """A posterior whose sampled sizes are shifted to other distances; its density and modes are at the best distance.

    The samples differ from the posterior at those distances only where the shift reaches the edges of the prior.
    """

    def __init__(self, best: Posterior, prior: Prior, size: int, offsets: Floats) -> None:
        self._best, self._size, self._offsets = best, size, offsets
        self._low, self._high = prior.low[size], prior.high[size]
        self.log_evidence, self.log_prob, self.modes = best.log_evidence, best.log_prob, best.modes

    def sample(self, n: int, rng: np.random.Generator) -> Floats:
        """Return `n` independent samples (n, D)."""
        theta = self._best.sample(n, rng)
        moved = theta[:, self._size] + np.resize(self._offsets, n)
        theta[:, self._size] = np.clip(moved, self._low, self._high)
        return theta
