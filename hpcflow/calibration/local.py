"""Is a posterior right for each cluster, or only on average? What its photometry foretells of the truth.

A flow that returns the prior, whatever the photometry, is calibrated: ranks over many simulations are uniform, if they
are drawn from that prior. But with the photometry at hand its ranks can be foretold, and ranks of the true posterior
cannot: given x they are uniform as well. So ranks are regressed on x, on one half of the simulations, and the
regression is tried on the other (Zhao et al. 2021, arXiv:2102.10473, sect. 3; Linhart et al. 2023, arXiv:2306.03580).
It needs no exact posterior.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["foretold", "offset", "regressed", "spread"]

Floats = NDArray[np.floating]

WIDTH = 300  # random features; a thousand foretell no more
PENALTY = 100.0  # of the squared weights of so many
FURTHEST = 5.0  # standard deviations beyond which a column says no more


def offset(rank: Floats) -> Floats:
    """Return how far ranks (N,) are above or below the middle, of mean 0 and variance 1 if they are uniform."""
    return np.sqrt(12) * (rank - 0.5)


def spread(rank: Floats) -> Floats:
    """Return how far ranks (N,) are from the middle on either side, of mean 0 and variance 1 if they are uniform."""
    return np.sqrt(5) * (6 * (rank - 0.5) ** 2 - 0.5)


def foretold(x: Floats, y: Floats) -> Floats:
    """Return the correlation (K,) of what a regression on x foretells of y and what y is, on the half not fitted.

    Where y is independent of x and has unit variance, its standard error is one over the root of the half's number,
    whatever the regression. A posterior whose median is off by b(x) of its standard deviations has offsets that are
    foretold with about the rms of b, if that is small and the regression can follow it; one that is too wide or narrow
    by d(x) has spreads that are foretold with 1.2 times the rms of d.

    Args:
        x: (N, F) what is known of each simulation.
        y: (N, K) of mean zero and unit variance.
    """
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return np.full(y.shape[1], np.nan)
    columns = _random_features(_standardised(x))
    guess = columns[1::2] @ _ridge(columns[::2], y[::2], PENALTY)
    return np.asarray((guess * y[1::2]).sum(axis=0) / np.sqrt((guess**2).sum(axis=0) * (y[1::2] ** 2).sum(axis=0)))


def regressed(x: Floats, truth: Floats) -> Floats:
    """Return the log-density that a linear regression on x gives to the truths of every second simulation, from one on.

    The other half fits it; what is left around it is taken as normal, the same for all.

    Args:
        x: (N, F) what is known of each simulation.
        truth: (N, D).

    Returns:
        (N // 2,) in the parameters' own units, as the density of a flow is.
    """
    fitted, held = slice(0, None, 2), slice(1, None, 2)
    if not (np.isfinite(x).all() and np.isfinite(truth).all()):
        return np.full(len(truth[held]), np.nan)
    middle, scale = truth.mean(axis=0), truth.std(axis=0)
    y, columns = (truth - middle) / scale, _standardised(x)
    weights = _ridge(columns[fitted], y[fitted], 1.0)  # columns may be constant
    left, tried = (y[half] - columns[half] @ weights for half in (fitted, held))
    covariance = left.T @ left / len(left)
    away = np.einsum("nd,de,ne->n", tried, np.linalg.inv(covariance), tried)
    return np.asarray(-(away + np.linalg.slogdet(2 * np.pi * covariance)[1]) / 2 - np.log(scale).sum())


def _standardised(x: Floats) -> Floats:
    """Return a column of ones and those of x (N, F + 1), of zero mean and unit variance."""
    width = x.std(axis=0)
    scaled = (x - x.mean(axis=0)) / np.where(width > 1e-6, width, 1.0)
    return np.concatenate([np.ones((len(x), 1)), scaled.clip(-FURTHEST, FURTHEST)], axis=1)


def _random_features(x: Floats) -> Floats:
    """Return x (N, F) beside the sigmoids of random sums of its columns: a network whose last layer alone is fitted."""
    rng = np.random.default_rng(1)  # always the same: so is the verdict
    sums = x @ (rng.standard_normal((x.shape[1], WIDTH)) / np.sqrt(x.shape[1])) + rng.uniform(-2, 2, WIDTH)
    return np.concatenate([x, np.tanh(sums)], axis=1)


def _ridge(x: Floats, y: Floats, penalty: float) -> Floats:
    """Return the weights (F, K) of the regression of y (N, K) on x (N, F) that is penalised for large ones."""
    return np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
