"""What importance weights say of one cluster, and what is done where they say that the flow failed."""

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

MORE = 4  # times as many samples are drawn again


def weighed(theta: Floats, found: Importance, levels: Sequence[float]) -> dict[str, NDArray[Any] | float | int]:
    """Return the archive's weighted variables of one cluster whose samples theta (n, D) have weights."""
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

    Of the second kind, the exact posterior as well.

    Args:
        target: the cluster's exact density.
        theta: (n, D) its samples.
        found: their weights.
        again: draws more: number -> samples and log q.
        levels: quantiles wanted.
        rng: the cluster's own.
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
