"""Posteriors under another prior, from samples that are there: each weight times the new density over the old one."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from hpcflow.model.prior import Prior
from hpcflow.posterior.importance import importance, summarise_weighted

__all__ = ["Reweighted", "reweighted", "share_outside"]

Floats = NDArray[np.floating]

DRAWS, SEED = 100_000, 1


class Reweighted(NamedTuple):
    """One object's posterior under the new prior.

    share: (n,) weights normalised to a sum of 1, or all 0 if the new prior excludes every sample. effective: effective
    number of samples. log_evidence_ratio: log of p(photometry) under the new prior over that under the old one.
    summary: quantile (Q, D), mean, std (D,) and covariance (D, D); empty if every share is 0.
    """

    share: Floats
    effective: float
    log_evidence_ratio: float
    summary: dict[str, NDArray[Any]]


def reweighted(theta: Floats, log_weight: Floats, old: Prior, new: Prior, levels: Sequence[float]) -> Reweighted:
    """Return the posterior under the prior `new` from samples weighted under the prior `old`.

    Args:
        theta: (n, D) samples in declared units.
        log_weight: (n,) log of their weights under `old`, unnormalised; zeros if all weigh the same.
        old: the prior under which they were weighted.
        new: the prior asked for, over the same parameters.
        levels: levels of the quantiles.
    """
    before = float(logsumexp(log_weight))
    if before == -np.inf:
        return Reweighted(np.zeros(len(theta)), 0.0, float("nan"), {})
    found = importance(log_weight + new.log_prob(theta), old.log_prob(theta))
    ratio = found.log_evidence + float(np.log(len(theta))) - before
    inside = found.share > 0  # quantiles are linear between samples, and must not reach out to those that are excluded
    summary = summarise_weighted(theta[inside], found.share[inside], levels) if found.effective else {}
    return Reweighted(found.share, found.effective, ratio, summary)


def share_outside(new: Prior, old: Prior) -> float:
    """Return the share of the prior `new` that lies where `old` has no density, from draws of a fixed seed."""
    drawn = new.sample(DRAWS, np.random.default_rng(SEED))
    return float(np.isneginf(old.log_prob(drawn)).mean())
