from collections.abc import Callable

import numpy as np
import pytest
import torch

from hpcflow.model.prior import Parameter, Prior
from hpcflow.posterior.climb import ROUNDS, ROWS
from hpcflow.posterior.modes import Modes, mean_shift, of_cluster
from hpcflow.posterior.polish import polish

PRIOR = Prior((Parameter("x", -8, 8), Parameter("y", -8, 8)))
WIDTH = 0.4


def density(theta: np.ndarray, centres: np.ndarray, shares: np.ndarray) -> np.ndarray:
    square = ((theta[:, None] - centres) ** 2).sum(axis=2)
    return np.log(np.exp(-square / (2 * WIDTH**2)) @ shares)


def blobs(centres: np.ndarray, shares: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    which = rng.choice(len(centres), 4000, p=shares)
    return centres[which] + WIDTH * rng.standard_normal((4000, 2))


def polished(centres: np.ndarray, shares: np.ndarray, modes: Modes, samples: np.ndarray) -> Modes:
    def log_p(theta: np.ndarray) -> np.ndarray:
        return density(theta, centres, shares)

    return alone(log_p, samples, modes, 9)


def alone(log_p: Callable[[np.ndarray], np.ndarray], samples: np.ndarray, modes: Modes, seed: int) -> Modes:
    """Return the modes of one posterior, and check that they are the same beside another one."""

    def each(points: np.ndarray, _: np.ndarray) -> np.ndarray:
        return log_p(points.reshape(-1, 2)).reshape(points.shape[:2])

    noise = np.random.default_rng(seed).standard_normal((ROUNDS, ROWS, 2))
    height = log_p(samples)
    found = polish(each, height[None], samples[None], [modes], PRIOR, noise[None])[0]
    pair = [np.stack([part[::-1], part]) for part in (height, samples)]
    both = polish(each, *pair, [modes, modes], PRIOR, np.stack([noise[::-1], noise]))
    for part, again in zip(found, both[1], strict=True):
        np.testing.assert_array_equal(part, again)
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_mode_reaches_its_own_maximum(seed: int) -> None:
    centres, shares = np.array([[0.0, 0.0], [3.0, 1.0], [-2.0, 4.0]]), np.array([0.5, 0.3, 0.2])
    samples = blobs(centres, shares, seed)
    before = of_cluster(mean_shift(torch.from_numpy(samples)[None]))
    after = polished(centres, shares, before, samples)
    np.testing.assert_allclose(after.location, centres, atol=5e-3)
    np.testing.assert_allclose(after.share, shares, atol=0.03)
    assert (np.diff(after.density) < 0).all()
    assert np.abs(before.location - centres).max() > 0.02


def test_two_modes_of_one_peak_are_merged_with_their_shares() -> None:
    centres, shares = np.array([[1.0, 1.0]]), np.array([1.0])
    samples = blobs(centres, shares, 1)
    location = np.array([[0.7, 1.0], [1.4, 1.1], [np.nan, np.nan]])
    after = polished(centres, shares, Modes(location, np.array([0.6, 0.4, np.nan]), np.zeros(3)), samples)
    np.testing.assert_allclose(after.location[0], centres[0], atol=5e-3)
    assert after.share[0] == pytest.approx(1.0)
    assert np.isnan(after.location[1:]).all()
    assert np.isnan(after.share[1:]).all()
    assert np.isnan(after.density[1:]).all()


def test_kinks_of_one_peak_are_not_separate_modes() -> None:
    rng = np.random.default_rng(2)
    samples = rng.standard_normal((4000, 2))

    def rippled(theta: np.ndarray) -> np.ndarray:
        return -(theta**2).sum(axis=1) / 2 + 0.1 * np.cos(12 * theta[:, 0])

    starts = np.array([[0.5, 0.0], [-0.55, 0.1], [1.05, 0.0]])
    modes = Modes(starts, np.array([0.4, 0.3, 0.3]), np.zeros(3))
    after = alone(rippled, samples, modes, 2)
    np.testing.assert_allclose(after.location[0], [0, 0], atol=5e-3)
    assert np.isnan(after.share[1:]).all()


def test_a_thin_peak_missed_by_mean_shift_is_found_from_its_highest_sample() -> None:
    rng = np.random.default_rng(1)
    wide, thin = rng.standard_normal((3900, 2)), np.array([1.5, 0.5]) + 0.01 * rng.standard_normal((100, 2))
    samples = np.concatenate([wide, thin])
    before = of_cluster(mean_shift(torch.from_numpy(rng.permutation(samples))[None]))
    assert np.abs(before.location[0] - [1.5, 0.5]).max() > 0.3

    def log_p(theta: np.ndarray) -> np.ndarray:
        narrow = -((theta - [1.5, 0.5]) ** 2).sum(axis=1) / (2 * 0.01**2) + np.log(0.025 / 0.01**2)
        return np.logaddexp(-(theta**2).sum(axis=1) / 2 + np.log(0.975), narrow)

    after = alone(log_p, samples, before, 1)
    np.testing.assert_allclose(after.location[0], [1.5, 0.5], atol=1e-3)
    np.testing.assert_allclose(after.location[1], [0, 0], atol=0.05)


def test_modes_are_ordered_by_density_not_by_samples() -> None:
    centres, shares = np.array([[0.0, 0.0], [4.0, 0.0]]), np.array([0.3, 0.7])
    samples = blobs(centres, np.array([0.8, 0.2]), 1)  # like a flow with the wrong shares
    before = of_cluster(mean_shift(torch.from_numpy(samples)[None]))
    assert before.location[0, 0] < 1
    after = polished(centres, shares, before, samples)
    assert after.location[0, 0] > 3
