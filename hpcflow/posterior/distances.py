"""The error of a cluster's distance: samples are drawn for distances of its own law, and not for the best one alone.

The posterior is then the mean over d of p(theta | photometry, d) with ln d ~ N: what is learned of a distance from one
cluster's photometry is nothing, as mass makes up for it. Samples are dealt to `GROUPS` distances in turn, one from
each of as many slices of equal probability. Their weights are each distance's own, likelihood at d times prior over
q(theta | photometry, d): in the space of theta and d together the law of d is in both, and cancels.
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

GROUPS = 20  # distances of a cluster; slices of a normal law so narrow have its moments to a thousandth


def at_distances(one: Photometry, error_dex: float, seed: int, key: tuple[str, str]) -> list[Photometry]:
    """Return one cluster's photometry, (1, B) and (1,), at distances drawn from their error; as it is where that is 0.

    Args:
        one: at its best distance.
        error_dex: standard deviation of log10 of the distance.
        seed: of all random numbers.
        key: galaxy and identifier of the cluster, whose numbers they are.
    """
    if not error_dex > 0:
        return [one]
    rng = rng_for(seed, "distance", *key)
    offsets = error_dex * norm.ppf((np.arange(GROUPS) + rng.random(GROUPS)) / GROUPS)
    return [one._replace(distance=one.distance * 10**offset) for offset in rng.permutation(offsets)]


@torch.inference_mode()
def sample_at(estimator: Estimator, ones: list[Photometry], noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return samples (n, D) and log q (n,), number i of the distance i modulo their number, of noise (n, D)."""
    photometry = Photometry(*(np.concatenate(part) for part in zip(*ones, strict=True)))
    context = embedded(estimator.flow, conditions(estimator, photometry))
    n, filled = len(noise), padded(noise, len(ones))
    dealt = filled.unflatten(0, (-1, len(ones))).transpose(0, 1).contiguous()
    theta, log_q = sample(estimator.flow, context, dealt)
    return theta.transpose(0, 1).flatten(0, 1)[:n], log_q.T.flatten()[:n]


class TargetAtDistances:
    """Likelihood times prior of one cluster's samples, which belong to distances in turn, as `sample_at` deals them.

    Args:
        target: of the cluster at any distance.
        one: its photometry at the best distance.
        ones: its photometry at each.
        log_mass: column of theta that makes up for the distance.
    """

    def __init__(self, target: Target, one: Photometry, ones: list[Photometry], log_mass: int) -> None:
        self._target, self._one, self._ones, self._log_mass = target, one, ones, log_mass

    def log_prob(self, theta: Floats) -> Floats:
        """Return log p(photometry | theta, d) p(theta) (n,) of points theta (n, D), each at its own distance."""
        found = np.empty(len(theta))
        for i, here in enumerate(self._ones):
            mine = slice(i, None, len(self._ones))
            found[mine] = self._target.log_prob(theta[mine], here)
        return found

    def exact(self) -> Posterior | None:
        """Return the posterior on the exact grid, its samples at all distances; see `Target.exact`."""
        exact = self._target.exact(self._one)
        if exact is None or len(self._ones) == 1:
            return exact
        offsets = 2 * np.log10([float(here.distance[0] / self._one.distance[0]) for here in self._ones])
        return _Moved(exact, self._target.prior, self._log_mass, offsets)


class _Moved:
    """A posterior whose samples' masses make up for other distances; its density is that of the best one.

    Modes are those at the best distance as well, so that they are the density's own. Only at the edges of the prior's
    masses is this not the posterior at those distances: there they end.
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
