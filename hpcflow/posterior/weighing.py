"""The weighted samples of one cluster, and better ones where the flow's efficiency is low."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcflow.posterior.importance import importance, summarise_weighted
from hpcflow.posterior.target import Posterior
from hpcflow.posterior.uncertain import TargetAtGiven
from hpcflow.store.flags import LEAST_EFFECTIVE, Refined

__all__ = ["Weighed", "refined", "weighed"]

Floats = NDArray[np.floating]

MORE = 4  # additional samples, as a multiple of the first ones


@dataclass(frozen=True)
class Weighed:
    """Samples that follow the exact posterior when they are weighted.

    Args:
        theta: (n, D) samples.
        share: (n,) their weights, normalised to a sum of 1.
        log_p: (n,) log of likelihood times prior.
        given: (n, K) what was given when each was drawn.
        log_weight: unnormalised log-weights of the flow's samples, the first ones first.
        log_evidence: log p(photometry).
        efficiency: effective number of the flow's samples over their number.
        refined: where the samples come from.
        exact: the exact posterior, if they come from it.
    """

    theta: Floats
    share: Floats
    log_p: Floats
    given: Floats
    log_weight: Floats
    log_evidence: float
    efficiency: float
    refined: Refined = Refined.NONE
    exact: Posterior | None = None

    def summary(self, levels: Sequence[float]) -> dict[str, Any]:
        """Return the archive's variables that follow from the weights, with quantiles at these probabilities."""
        counts = (self.share > 0) & np.isfinite(self.log_p)
        mean_log_p = self.share[counts] @ self.log_p[counts] / self.share[counts].sum() if counts.any() else np.nan
        return {
            **summarise_weighted(self.theta, self.share, levels),
            "entropy": self.log_evidence - mean_log_p,
            "log_evidence": self.log_evidence,
            "efficiency": self.efficiency,
            "effective": 1 / (self.share**2).sum(),
        }


def weighed(target: TargetAtGiven, theta: Floats, log_q: Floats) -> Weighed:
    """Return a cluster's samples with their weights, or with equal ones if all weights are zero.

    Args:
        target: target density of the cluster.
        theta: (n, D) samples of the flow, drawn at the target's given values in turn.
        log_q: (n,) the flow's log-density at each.
    """
    log_p = target.log_prob(theta)
    log_weight = importance(log_p, log_q).log_weight
    return _of(theta, log_p, log_weight, np.resize(target.given, (len(theta), target.given.shape[1])))


def refined(
    target: TargetAtGiven, first: Weighed, again: Callable[[int], tuple[Floats, Floats]], rng: np.random.Generator
) -> Weighed:
    """Return better samples of a cluster of low efficiency: more of the flow's, or else those of the exact grid.

    Args:
        target: target density of the cluster.
        first: the cluster's samples.
        again: function that draws a number of further samples, and returns them and log q.
        rng: random numbers of the cluster.
    """
    more = weighed(target, *again(MORE * len(first.theta)))
    both = _of(*(np.concatenate([getattr(s, name) for s in (first, more)]) for name in _PER_SAMPLE))
    enough = both.efficiency * len(both.theta) >= LEAST_EFFECTIVE
    exact = None if enough else target.exact()
    if exact is None:
        return both if both.refined else replace(both, refined=Refined.MORE_SAMPLES)
    n = len(first.theta)
    theta = exact.sample(n, rng)
    return replace(
        both,
        theta=theta,
        share=np.full(n, 1 / n),
        log_p=target.log_prob(theta),
        given=np.resize(target.given, (n, target.given.shape[1])),
        log_evidence=exact.log_evidence,
        refined=Refined.EXACT_GRID,
        exact=exact,
    )


_PER_SAMPLE = ("theta", "log_p", "log_weight", "given")


def _of(theta: Floats, log_p: Floats, log_weight: Floats, given: Floats) -> Weighed:
    found = importance(log_weight, np.zeros(len(log_weight)))
    share, origin = found.share, Refined.NONE
    if not found.efficiency > 0:
        share, origin = np.full(len(theta), 1 / len(theta)), Refined.UNWEIGHTED
    return Weighed(theta, share, log_p, given, log_weight, found.log_evidence, found.efficiency, origin)
