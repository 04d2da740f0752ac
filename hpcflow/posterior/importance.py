"""Importance weights of posterior samples: the likelihood times the prior over the flow's density.

The weight of a sample is p(photometry | theta) p(theta) / q(theta | photometry). If the flow covers the whole
posterior, its weighted samples follow the exact posterior. The mean weight is the evidence, and the scatter of the
weights shows how far the flow is from the exact posterior (Dax et al. 2023, PRL 130, 171403).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

__all__ = ["Importance", "importance", "resampled", "summarise_weighted"]

Floats = NDArray[np.floating]


class Importance(NamedTuple):
    """Weights of n samples.

    log_weight: (n,) unnormalised; -inf for impossible samples. share: (n,) weights normalised to a sum of 1, or all 0
    if no sample is possible. log_evidence: log of the mean weight. efficiency: effective sample size over n (Kish
    1965).
    """

    log_weight: Floats
    share: Floats
    log_evidence: float
    efficiency: float

    @property
    def effective(self) -> float:
        """The effective sample size."""
        return self.efficiency * len(self.share)


def importance(log_p: Floats, log_q: Floats) -> Importance:
    """Return the weights of samples that were drawn from q.

    Args:
        log_p: (n,) log of likelihood times prior, unnormalised; -inf for impossible samples.
        log_q: (n,) log of the density they were drawn from; a sample for which it is not finite has no weight.

    >>> found = importance(np.log([1.0, 3.0]), np.log([0.5, 0.5]))
    >>> round(float(np.exp(found.log_evidence)), 6), round(found.efficiency, 6)
    (4.0, 0.8)
    """
    log_weight = np.where(np.isfinite(log_q), np.asarray(log_p, dtype=np.float64) - log_q, -np.inf)
    total = float(logsumexp(log_weight))
    if total == -np.inf:
        return Importance(log_weight, np.zeros(len(log_weight)), total, 0.0)
    share = np.exp(log_weight - total)
    return Importance(log_weight, share, total - float(np.log(len(share))), float(1 / (share**2).sum() / len(share)))


def resampled(share: Floats, n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the indices (n,) of samples of equal weight, in random order.

    A sample with share s occurs n s times, rounded down or up: systematic resampling (Kitagawa 1996, J. Comput. Graph.
    Stat. 5, 1), which adds the least noise.

    Args:
        share: weights normalised to a sum of 1.
        n: number of samples to return.
        rng: random numbers of the cluster.

    >>> sorted(resampled(np.array([0.5, 0.0, 0.25, 0.25]), 4, np.random.default_rng(1)).tolist())
    [0, 0, 2, 3]
    """
    chosen = np.searchsorted(np.cumsum(share), (np.arange(n) + rng.random()) / n * share.sum(), side="right")
    return rng.permutation(np.minimum(chosen, np.flatnonzero(share)[-1]))


def summarise_weighted(theta: Floats, share: Floats, levels: Sequence[float]) -> dict[str, NDArray[Any]]:
    """Return quantile (Q, D), mean, std (D,) and covariance (D, D) of samples (n, D) with shares (n,) that sum to 1."""
    points = theta.astype(np.float64)
    mean = share @ points
    covariance = (points - mean).T * share @ (points - mean)
    columns = np.ascontiguousarray(points.T)
    quantile = []
    for values, order in zip(columns, np.argsort(columns, axis=1), strict=True):
        ordered = share[order]
        quantile.append(np.interp(levels, np.cumsum(ordered) - ordered / 2, values[order]))
    return {
        "quantile": np.stack(quantile, axis=1),
        "mean": mean,
        "std": np.sqrt(np.diagonal(covariance)),
        "covariance": covariance,
    }
