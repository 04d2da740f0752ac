"""Random numbers are uniform and independent whatever their keys are like, and counts are Poisson's."""

import numpy as np
import pytest
from scipy import stats

from hpcflow.sources.cluster.chance import FULL, counts, keys, uniforms

N = 200_000


def drawn(n: int = N, columns: int = 1) -> np.ndarray:
    return uniforms(keys(np.full(n, 7.0), np.linspace(0, 1, n)), columns)


def test_numbers_are_uniform_and_independent_even_of_neighbouring_keys() -> None:
    numbers = drawn(50_000, 4)
    assert ((numbers > 0) & (numbers < 1)).all()
    for column in numbers.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(column[1:], column[:-1])[0, 1]) < 0.02
    assert np.abs(np.corrcoef(numbers.T) - np.eye(4)).max() < 0.02


def test_a_key_is_that_of_the_numbers_as_they_are_stored() -> None:
    columns = np.random.default_rng(1).random((2, 1000))
    np.testing.assert_array_equal(keys(*columns), keys(*columns.astype(np.float32)))
    assert len(np.unique(keys(*columns))) == 1000
    assert (keys(columns[0], columns[1]) != keys(columns[1], columns[0])).all()


def test_more_columns_begin_with_the_same_numbers() -> None:
    np.testing.assert_array_equal(drawn(100, 9)[:, :4], drawn(100, 4))


@pytest.mark.parametrize("expected", [0.001, 0.3, 2.0, FULL])
def test_few_stars_are_counted_by_the_inverse_of_the_distribution_function(expected: float) -> None:
    uniform = drawn()[:, 0]
    found = counts(np.full(N, expected), uniform)
    np.testing.assert_array_equal(found, stats.poisson.ppf(uniform, expected))


@pytest.mark.parametrize("expected", [FULL * 1.001, 50.0, 1e4])
def test_many_stars_have_the_mean_the_variance_and_the_skewness_of_a_poisson_distribution(expected: float) -> None:
    found = counts(np.full(N, expected), drawn()[:, 0])
    away = (found - expected) / np.sqrt(expected)
    assert abs(away.mean()) < 5 / np.sqrt(N)
    assert abs(away.var() - 1) < 5 * np.sqrt(2 / N) + 0.005
    assert abs(stats.skew(away) - expected**-0.5) < 5 * np.sqrt(6 / N) + 0.01
    assert (found >= 0).all()


def test_bins_without_stars_stay_empty_and_the_largest_numbers_end() -> None:
    edge = np.array([2.0**-54, 1 - 2.0**-53])
    np.testing.assert_array_equal(counts(np.zeros(2), edge), [0, 0])
    assert np.isfinite(counts(np.array([1e30, FULL]), edge)).all()
