import numpy as np
import pytest
import torch
from scipy import stats

from hpcflow.model.signal_to_noise import LEAST_SIGNAL, SignalToNoise

LAW = SignalToNoise(0.05, 0.5, 0.2)


def draws(law: SignalToNoise = LAW, n: int = 100_000, bands: int = 5, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    return law.draw(np.random.default_rng(seed).random((n, 2 * bands + 1)))


@pytest.mark.parametrize("at", [-2.0, 0.0, 1.5, 2.5, 3.6, 7.0, 15.0])
def test_the_true_ratio_has_the_conditional_distribution_of_log_uniform_errors(at: float) -> None:
    listed, true = draws(n=400_000)
    near = np.abs(listed - at) < 0.02 * max(at, 2)
    middle = np.median(listed[near])
    log_true = np.linspace(np.log(LEAST_SIGNAL), np.log(LAW.highest), 20_001)
    density = stats.norm.pdf(middle, np.exp(log_true))
    cumulated = np.cumsum(density) / density.sum()
    rank = np.interp(np.log(true[near]), log_true, cumulated)
    assert near.sum() > 1000
    assert stats.kstest(rank, "uniform").statistic < 0.03


def test_bands_are_undetected_as_often_as_stated() -> None:
    listed, _ = draws()
    assert (listed <= 2).mean() == pytest.approx(0.2, abs=0.003)
    assert (listed < 0).any()
    assert (draws(SignalToNoise(0.05, 0.5))[0] > 2).all()


def test_detected_bands_have_the_errors_of_a_catalogue() -> None:
    error = 1 / draws(SignalToNoise(0.05, 0.5))[0]
    assert error.min() >= 0.05
    assert error.max() <= 0.5
    worst, best = error.max(axis=1), error.min(axis=1)
    apart = stats.pearsonr(np.log(worst), np.log(best)).statistic
    assert apart > 0.3  # bands of a cluster have similar errors
    assert stats.kstest(np.log(error[:, 0]), stats.uniform(np.log(0.05), np.log(10)).cdf).statistic < 0.35
    assert (worst < 0.1).mean() > 0.15


def test_the_same_numbers_give_the_same_ratios_in_torch() -> None:
    uniform = np.random.default_rng(2).random((100, 11))
    for here, there in zip(LAW.draw(uniform), LAW.draw(torch.from_numpy(uniform)), strict=True):
        np.testing.assert_array_equal(there.numpy(), here)
    assert LAW.draw(torch.rand(3, 11))[0].dtype == torch.float32


def test_numbers_next_to_one_stay_within_the_pairs() -> None:
    edge = np.nextafter(np.float32(1), np.float32(0))
    listed, true = LAW.draw(torch.full((4, 11), float(edge)))
    assert torch.isfinite(listed).all()
    assert (true > 0).all()
