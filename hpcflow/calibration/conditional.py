"""Local calibration: whether posteriors are right given the photometry, not only on average.

A flow that returns the prior, whatever the photometry, is calibrated: its ranks are uniform over simulations drawn from
that prior. But its ranks can be predicted from the photometry x, and ranks of the true posterior cannot, because they
are uniform given x as well. So ranks are regressed on x in one half of the simulations, and the regression is tested on
the other half (Zhao et al. 2021, arXiv:2102.10473, sect. 3; Linhart et al. 2023, arXiv:2306.03580). This needs no exact
posterior.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["foretold", "offset", "regressed", "spread"]

Floats = NDArray[np.floating]

WIDTH = 300  # random features; a thousand predict no better
PENALTY = 100.0  # ridge penalty for so many features
FURTHEST = 5.0  # standard deviations at which columns are clipped


def offset(rank: Floats) -> Floats:
    """Return how far ranks (N,) are above the middle, scaled to mean 0 and variance 1 for uniform ranks."""
    return np.sqrt(12) * (rank - 0.5)


def spread(rank: Floats) -> Floats:
    """Return how far ranks (N,) are from the middle either way, scaled to mean 0 and variance 1 for uniform ranks."""
    return np.sqrt(5) * (6 * (rank - 0.5) ** 2 - 0.5)


def foretold(x: Floats, y: Floats) -> Floats:
    """Return the correlation (K,) of y with its prediction by a regression on x, in the half that was not fitted.

    If y is independent of x and has unit variance, the standard error is one over the square root of the size of that
    half, whatever the regression. If a posterior's median is off by b(x) standard deviations, its offsets have a
    correlation of about the rms of b, provided that b is small and the regression can follow it; if it is too wide or
    narrow by d(x), its spreads have a correlation of 1.2 times the rms of d.

    Args:
        x: (N, F) features of each simulation.
        y: (N, K) values of mean zero and unit variance.
    """
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return np.full(y.shape[1], np.nan)
    columns = _random_features(_standardised(x))
    guess = columns[1::2] @ _ridge(columns[::2], y[::2], PENALTY)
    return np.asarray((guess * y[1::2]).sum(axis=0) / np.sqrt((guess**2).sum(axis=0) * (y[1::2] ** 2).sum(axis=0)))


def regressed(x: Floats, truth: Floats) -> Floats:
    """Return the log-densities of the truths of every second simulation under a linear regression on x.

    The other half is fitted; residuals are taken as normal, with the same covariance for all.

    Args:
        x: (N, F) features of each simulation.
        truth: (N, D) true parameters.

    Returns:
        log-densities (N // 2,) in the parameters' own units, like those of a flow.
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
    """Return a column of ones and the columns of x at zero mean and unit variance, (N, F + 1)."""
    width = x.std(axis=0)
    scaled = (x - x.mean(axis=0)) / np.where(width > 1e-6, width, 1.0)
    return np.concatenate([np.ones((len(x), 1)), scaled.clip(-FURTHEST, FURTHEST)], axis=1)


def _random_features(x: Floats) -> Floats:
    """Return x (N, F) and tanh of random sums of its columns: a network of which only the last layer is fitted."""
    rng = np.random.default_rng(1)  # a fixed seed, so that the verdict is always the same
    sums = x @ (rng.standard_normal((x.shape[1], WIDTH)) / np.sqrt(x.shape[1])) + rng.uniform(-2, 2, WIDTH)
    return np.concatenate([x, np.tanh(sums)], axis=1)


def _ridge(x: Floats, y: Floats, penalty: float) -> Floats:
    """Return the weights (F, K) of the ridge regression of y (N, K) on x (N, F)."""
    return np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
