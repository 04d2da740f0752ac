"""Marginalisation over the uncertainty of a cluster's distance: samples are drawn at several distances, not only one.

The posterior is the mean over d of p(theta | photometry, d) with ln d normally distributed: the photometry of one
cluster does not constrain its distance, because mass compensates for it. The samples are shared out among `GROUPS`
distances, one from each of as many intervals of equal probability. The weight of a sample is the likelihood at its own
d times the prior over q(theta | photometry, d): in the joint space of theta and d the distribution of d is in both the
posterior and the proposal, and cancels.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import norm
from torch import Tensor

from hpcflow.base.partitions import rng_for
from hpcflow.flow.estimator import Estimator
from hpcflow.model.observe import Photometry
from hpcflow.model.prior import Prior
from hpcflow.posterior.sampling import conditions, embedded, padded, sample
from hpcflow.posterior.target import Posterior, Target

__all__ = ["GROUPS", "TargetAtDistances", "at_distances", "sample_at"]

Floats = NDArray[np.floating]

GROUPS = 20  # distances per cluster; so many intervals of a normal distribution keep its moments to a thousandth


def at_distances(one: Photometry, error_dex: float, seed: int, key: tuple[str, str]) -> list[Photometry]:
    """Return one cluster's photometry, (1, B) and (1,), at distances drawn from their error; unchanged if that is 0.

    Args:
        one: photometry at the best distance.
        error_dex: standard deviation of log10 of the distance.
        seed: seed of all random numbers.
        key: galaxy and identifier of the cluster, which select its random numbers.
    """
    if not error_dex > 0:
        return [one]
    rng = rng_for(seed, "distance", *key)
    offsets = error_dex * norm.ppf((np.arange(GROUPS) + rng.random(GROUPS)) / GROUPS)
    return [one._replace(distance=one.distance * 10**offset) for offset in rng.permutation(offsets)]


@torch.inference_mode()
def sample_at(estimator: Estimator, ones: list[Photometry], noise: Tensor) -> tuple[Tensor, Tensor]:
    """Turn noise (n, D) into samples (n, D) and log q (n,); sample i is at distance number i modulo len(ones)."""
    photometry = Photometry(*(np.concatenate(part) for part in zip(*ones, strict=True)))
    context = embedded(estimator.flow, conditions(estimator, photometry))
    n, filled = len(noise), padded(noise, len(ones))
    dealt = filled.unflatten(0, (-1, len(ones))).transpose(0, 1).contiguous()
    theta, log_q = sample(estimator.flow, context, dealt)
    return theta.transpose(0, 1).flatten(0, 1)[:n], log_q.T.flatten()[:n]


class TargetAtDistances:
    """Likelihood times prior of one cluster's samples, each at the distance that `sample_at` drew it for.

    Args:
        target: the cluster's target density at any distance.
        one: photometry at the best distance.
        ones: photometry at each distance.
        log_mass: column of theta that compensates for the distance.

    Attributes:
        distances: (G,) the distances in Mpc.
    """

    def __init__(self, target: Target, one: Photometry, ones: list[Photometry], log_mass: int) -> None:
        self._target, self._one, self._ones, self._log_mass = target, one, ones, log_mass
        self.distances = np.array([here.distance[0] for here in ones])

    def log_prob(self, theta: Floats) -> Floats:
        """Return log of p(photometry | theta, d) p(theta) (n,) at points theta (n, D), each at its own distance."""
        found = np.empty(len(theta))
        for i, here in enumerate(self._ones):
            mine = slice(i, None, len(self._ones))
            found[mine] = self._target.log_prob(theta[mine], here)
        return found

    def exact(self) -> Posterior | None:
        """Return the posterior on the exact grid, with samples at all distances; see `Target.exact`."""
        exact = self._target.exact(self._one)
        if exact is None or len(self._ones) == 1:
            return exact
        offsets = 2 * np.log10([float(here.distance[0] / self._one.distance[0]) for here in self._ones])
        return _Moved(exact, self._target.prior, self._log_mass, offsets)


class _Moved:
    """A posterior whose sampled masses are shifted to other distances; its density and modes are at the best distance.

    The samples differ from the posterior at those distances only where the shift reaches the edges of the mass prior.
    """

    def __init__(self, best: Posterior, prior: Prior, log_mass: int, offsets: Floats) -> None:
        self._best, self._log_mass, self._offsets = best, log_mass, offsets
        self._low, self._high = prior.low[log_mass], prior.high[log_mass]
        self.log_evidence, self.log_prob, self.modes = best.log_evidence, best.log_prob, best.modes

    def sample(self, n: int, rng: np.random.Generator) -> Floats:
        """Return `n` independent samples (n, D)."""
        theta = self._best.sample(n, rng)
        moved = theta[:, self._log_mass] + np.resize(self._offsets, n)
        theta[:, self._log_mass] = np.clip(moved, self._low, self._high)
        return theta
