"""Predictions of ranks of posteriors that are right, or shifted or too narrow depending on x."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from hpcflow.calibration.conditional import foretold, offset, regressed, spread

Floats = NDArray[np.floating]
N = 10_000
CHANCE = 3.3 / (N / 2) ** 0.5


def ranks(rng: np.random.Generator, bias: Floats, width: Floats) -> Floats:
    """Return ranks (N,) of truths N(0, 1) in posteriors N(bias, width^2)."""
    return np.asarray(norm.cdf((rng.standard_normal(N) - bias) / width))


def test_offsets_and_spreads_of_uniform_ranks_have_mean_zero_and_variance_one() -> None:
    rank = (np.arange(10_000) + 0.5) / 10_000
    for values in (offset(rank), spread(rank)):
        assert values.mean() == pytest.approx(0, abs=1e-6)
        assert values.var() == pytest.approx(1, abs=1e-6)
    assert (offset(rank) * spread(rank)).mean() == pytest.approx(0, abs=1e-6)


def test_ranks_of_right_posteriors_cannot_be_predicted() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((N, 20))
    rank = rng.random((N, 5))
    assert (np.abs(foretold(x, np.concatenate([offset(rank), spread(rank)], axis=1))) < CHANCE).all()


def test_a_bias_that_changes_with_x_is_predicted_with_its_rms() -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((N, 20))
    rank = ranks(rng, 0.3 * np.sin(x[:, 0]), np.ones(N))
    assert np.abs(rank.mean() - 0.5) < 0.01  # on average nothing is wrong
    assert foretold(x, offset(rank)[:, None])[0] == pytest.approx(0.3 * 0.66, abs=0.05)
    assert abs(foretold(x, spread(rank)[:, None])[0]) < CHANCE


def test_a_width_that_changes_with_x_is_predicted_too() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((N, 20))
    rank = ranks(rng, np.zeros(N), 1.4 ** np.tanh(x[:, 0]))
    assert abs(foretold(x, offset(rank)[:, None])[0]) < CHANCE
    assert 2 * CHANCE < foretold(x, spread(rank)[:, None])[0] < 1.3 * np.log(1.4)


def test_a_linear_regression_has_the_density_that_is_exact_where_all_is_normal() -> None:
    rng = np.random.default_rng(4)
    truth = np.array([100.0, -3.0]) + rng.standard_normal((N, 2)) * [20.0, 0.1]
    x = (truth - [100.0, -3.0]) / [20.0, 0.1] + rng.standard_normal((N, 2))
    mean, sigma = [100.0, -3.0] + x / 2 * [20.0, 0.1], 0.5**0.5 * np.array([20.0, 0.1])
    exact = norm.logpdf(truth, mean, sigma).sum(axis=1)[1::2]
    found = regressed(x, truth)
    assert found.shape == (N // 2,)
    assert (exact - found).mean() == pytest.approx(0, abs=0.01)
    assert np.abs(exact - found).max() < 0.5


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_foretell_nothing(value: float) -> None:
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((100, 3)), rng.standard_normal((100, 2))
    x[3, 1] = value
    assert np.isnan(foretold(x, y)).all()
    assert np.isnan(regressed(x, y)).all()
