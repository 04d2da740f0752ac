"""Weighted summaries of one cluster, and their refinement where the flow's efficiency is low."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcflow.posterior.distances import TargetAtDistances
from hpcflow.posterior.importance import Importance, importance, summarise_weighted
from hpcflow.posterior.target import Posterior
from hpcflow.store.flags import LEAST_EFFECTIVE, Refined

__all__ = ["refined", "weighed"]

Floats = NDArray[np.floating]

MORE = 4  # additional samples, as a multiple of the first ones


def weighed(theta: Floats, found: Importance, levels: Sequence[float]) -> dict[str, NDArray[Any] | float | int]:
    """Return the archive's weighted variables of one cluster from its samples theta (n, D) and their weights."""
    return {
        "log_evidence": found.log_evidence,
        "efficiency": found.efficiency,
        "refined": Refined.NONE,
        **summarise_weighted(theta, found.share, levels),
    }


def refined(
    target: TargetAtDistances,
    theta: Floats,
    found: Importance,
    again: Callable[[int], tuple[Floats, Floats]],
    levels: Sequence[float],
    rng: np.random.Generator,
) -> tuple[dict[str, NDArray[Any] | float | int], Posterior | None]:
    """Return the weighted variables of a cluster of low efficiency, from more samples or else from the exact grid.

    The exact posterior is returned as well if it was used.

    Args:
        target: target density of the cluster.
        theta: (n, D) samples of the cluster.
        found: weights of the samples.
        again: function that draws a number of further samples, and returns them and log q.
        levels: probabilities of the quantiles.
        rng: random numbers of the cluster.
    """
    more, log_q = again(MORE * len(theta))
    other = importance(target.log_prob(more), log_q)
    theta = np.concatenate([theta, more])
    both = importance(np.concatenate([found.log_weight, other.log_weight]), np.zeros(len(theta)))
    exact = None if both.effective >= LEAST_EFFECTIVE else target.exact()
    if exact is None:
        return weighed(theta, both, levels) | {"refined": Refined.MORE_SAMPLES}, None
    samples = exact.sample(len(found.share), rng)
    summary = summarise_weighted(samples, np.full(len(samples), 1 / len(samples)), levels)
    return {
        "log_evidence": exact.log_evidence,
        "efficiency": both.efficiency,
        "refined": Refined.EXACT_GRID,
        **summary,
    }, exact
