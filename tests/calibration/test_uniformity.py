from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hpcflow.calibration.uniformity import (
    binned,
    coverage,
    ecdf_difference,
    largest_by_chance,
    off,
    share_inside,
    simultaneous,
)

LEVELS = np.linspace(0.05, 0.95, 10)


def ranks(width: float, samples: int, n: int = 4000) -> np.ndarray:
    """Ranks of truths from N(0, 1) in posteriors N(0, width): exact at 1, too wide above, too narrow below."""
    rng = np.random.default_rng(1)
    truth, drawn = rng.standard_normal((n, 1)), width * rng.standard_normal((n, samples))
    return (drawn < truth).mean(axis=1)


@pytest.mark.parametrize("samples", [20, 99, 100])
def test_exact_posteriors_stay_in_the_bands(samples: int) -> None:
    rank = ranks(1.0, samples)
    histogram = binned(rank, 20, samples)
    assert (np.abs(histogram.ratio - 1) < 4 * histogram.sigma).all()
    _, difference, low, high = ecdf_difference(rank, samples)
    assert ((difference >= 1.5 * low - 1e-9) & (difference <= 1.5 * high + 1e-9)).all()
    level, inside, sigma = coverage(rank, LEVELS, samples)
    assert (np.abs(inside - level) < 4 * sigma + 1e-9).all()


@pytest.mark.parametrize(("width", "sign"), [(2.0, 1), (0.5, -1)])
def test_wrong_widths_are_seen(width: float, sign: int) -> None:
    rank = ranks(width, 100)
    histogram = binned(rank, 20, 100)
    assert np.sign(histogram.ratio[9:11].mean() - histogram.ratio[[0, -1]].mean()) == sign
    level, inside, sigma = coverage(rank, LEVELS, 100)
    assert (sign * (inside - level)[2:8] > 4 * sigma[2:8]).all()


@pytest.mark.parametrize("samples", [1, 7, 20, 100])
def test_every_rank_once_is_exactly_uniform(samples: int) -> None:
    rank = np.arange(samples + 1) / samples
    np.testing.assert_allclose(ecdf_difference(rank, samples)[1], 0, atol=1e-12)
    level, inside, _ = coverage(rank, LEVELS, samples)
    np.testing.assert_allclose(inside, level)
    ratio = binned(rank, 20, samples).ratio
    np.testing.assert_allclose(ratio[np.isfinite(ratio)], 1)


def test_continuous_ranks_need_no_number_of_samples() -> None:
    rank = (np.arange(1000) + 0.5) / 1000
    np.testing.assert_allclose(binned(rank, 20).ratio, 1)
    np.testing.assert_allclose(coverage(rank, LEVELS)[1], LEVELS, atol=2e-3)


def test_missing_ranks_do_not_count() -> None:
    rank = np.array([0.1, np.nan, 0.9])
    np.testing.assert_array_equal(binned(rank, 2).ratio, 1)


@pytest.mark.parametrize("samples", [0, 20, 100])
@pytest.mark.parametrize("n", [200, 5000])
def test_the_simultaneous_band_holds_as_many_whole_curves_as_it_says(samples: int, n: int) -> None:
    rng = np.random.default_rng(5)
    held = []
    for _ in range(400):
        rank = rng.integers(0, samples + 1, n) / samples if samples else rng.random(n)
        _, difference, low, high = simultaneous(rank, samples, 0.9)
        held.append(((difference >= low - 1e-12) & (difference <= high + 1e-12)).all())
    assert np.mean(held) == pytest.approx(0.9, abs=0.045)  # 3 standard errors


@pytest.mark.parametrize("share", [0.9, 0.98])
@pytest.mark.parametrize(("n", "counts"), [(200, 1), (600, 2)])  # from 201 on ArviZ looks at more places than we
def test_the_simultaneous_band_is_that_of_arviz(n: int, counts: int, share: float, peer: Callable[[str], Any]) -> None:
    ecdf_pit = peer("arviz_stats.ecdf_utils").ecdf_pit
    rank = np.random.default_rng(3).random(n)
    z, difference, *band = simultaneous(rank, share=share)
    there, theirs, *their_band = ecdf_pit(rank, share, 2000, rng=np.random.default_rng(1))
    np.testing.assert_allclose(np.interp(z, there, theirs) - z, difference, atol=1e-12)
    for ours, other in zip(band, their_band, strict=True):
        assert n * np.abs(np.interp(z, there, other) - z - ours).max() < counts + 1e-6


@pytest.mark.parametrize(("width", "inside"), [(1.0, True), (1.2, False), (0.8, False)])
def test_the_simultaneous_band_tells_wrong_widths(width: float, inside: bool) -> None:
    _, difference, low, high = simultaneous(ranks(width, 100), 100)
    assert ((difference >= low) & (difference <= high)).all() == inside
    # it is wider than the pointwise one
    _, _, at_once, _ = ecdf_difference(ranks(width, 100), 100)
    assert low.min() < at_once.min()


def test_the_largest_difference_by_chance_is_seldom_exceeded() -> None:
    rng = np.random.default_rng(6)
    beyond = [off(rng.random(1000)) > largest_by_chance(1000, 0.9) for _ in range(400)]
    assert np.mean(beyond) == pytest.approx(0.1, abs=0.05)


@pytest.mark.parametrize(("n", "critical"), [(5, 0.56328), (10, 0.40925), (20, 0.29408)])
def test_the_largest_difference_by_chance_is_that_of_kolmogorov_and_smirnov(n: int, critical: float) -> None:
    # Massey 1951 (JASA 46, 68), to more digits: the usual table of 5 % critical values for few ranks
    assert largest_by_chance(n, 0.95) == pytest.approx(critical, abs=1e-4)
    assert largest_by_chance(n, 0.95) < np.sqrt(np.log(2 / 0.05) / 2 / n)  # the Dvoretzky-Kiefer-Wolfowitz bound


def test_one_rank_or_none_can_be_almost_anywhere_by_chance() -> None:
    assert largest_by_chance(0) == largest_by_chance(1) == pytest.approx(0.9995)


def test_intervals_of_few_samples_hold_what_they_say() -> None:
    # interpolated quantiles of 20 samples would hold 61.5 %
    assert share_inside(ranks(1.0, 20, 20_000), 0.68, 20) == pytest.approx(0.68, abs=0.01)
    assert share_inside(np.random.default_rng(1).random(20_000), 0.68) == pytest.approx(0.68, abs=0.01)
    assert share_inside(ranks(1.2, 100), 0.68, 100) > 0.73
