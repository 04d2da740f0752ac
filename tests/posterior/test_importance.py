import numpy as np
import pytest
from scipy import stats

from hpcflow.posterior.importance import importance, resampled, summarise_weighted

LEVELS = (0.16, 0.5, 0.84)


def drawn(n: int = 40_000, width: float = 1.3, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return samples of a flow that is too wide and off by 0.3, and both log-densities; the truth is a normal."""
    theta = 0.3 + width * np.random.default_rng(seed).standard_normal((n, 2))
    log_q = stats.norm(0.3, width).logpdf(theta).sum(axis=1)
    return theta, stats.norm().logpdf(theta).sum(axis=1), log_q


def test_weighted_samples_follow_the_true_posterior() -> None:
    theta, log_p, log_q = drawn()
    found = summarise_weighted(theta, importance(log_p, log_q).share, LEVELS)
    np.testing.assert_allclose(found["mean"], 0, atol=0.03)
    np.testing.assert_allclose(found["std"], 1, atol=0.03)
    np.testing.assert_allclose(found["quantile"], np.tile(stats.norm.ppf(LEVELS)[:, None], 2), atol=0.04)


def test_the_mean_weight_is_the_evidence() -> None:
    _, log_p, log_q = drawn()
    assert importance(log_p - 7.0, log_q).log_evidence == pytest.approx(-7.0, abs=0.02)


def test_a_perfect_flow_has_efficiency_one_and_a_poor_flow_a_low_one() -> None:
    _, log_p, log_q = drawn()
    assert importance(log_q + 3.0, log_q).efficiency == pytest.approx(1.0)
    assert 0.5 < importance(log_p, log_q).efficiency < 0.95
    _, log_p, log_q = drawn(width=0.3)
    assert importance(log_p, log_q).efficiency < 0.1


def test_impossible_samples_have_no_weight() -> None:
    log_p, log_q = drawn(1000)[1:]
    log_p[::2] = -np.inf
    found = importance(log_p, log_q)
    assert (found.share[::2] == 0).all()
    assert found.share.sum() == pytest.approx(1.0)
    assert found.effective == pytest.approx(1 / (found.share**2).sum())
    alone = importance(log_p[1::2], log_q[1::2])
    np.testing.assert_allclose(found.share[1::2], alone.share)
    assert found.log_evidence == pytest.approx(alone.log_evidence - np.log(2))


def test_samples_without_log_q_have_no_weight() -> None:
    found = importance(np.zeros(4), np.array([0.0, np.nan, 0.0, -np.inf]))
    np.testing.assert_allclose(found.share, [0.5, 0, 0.5, 0])
    assert found.efficiency == pytest.approx(0.5)


def test_no_possible_sample_gives_no_evidence() -> None:
    found = importance(np.full(10, -np.inf), np.zeros(10))
    assert found.efficiency == 0
    assert found.log_evidence == -np.inf


def test_summaries_of_equal_weights_agree_with_numpy() -> None:
    theta = drawn(5000)[0]
    found = summarise_weighted(theta, np.full(5000, 1 / 5000), LEVELS)
    np.testing.assert_allclose(found["quantile"], np.quantile(theta, LEVELS, axis=0), atol=2e-3)
    np.testing.assert_allclose(found["mean"], theta.mean(axis=0))
    np.testing.assert_allclose(found["std"], theta.std(axis=0))
    np.testing.assert_allclose(found["covariance"], np.cov(theta.T, bias=True))


def test_samples_of_equal_weight_occur_as_often_as_their_share_says() -> None:
    share = np.random.default_rng(1).dirichlet(np.full(50, 0.3))
    chosen = resampled(share, 1000, np.random.default_rng(2))
    count = np.bincount(chosen, minlength=50)
    assert count.sum() == 1000
    assert (np.abs(count - 1000 * share) < 1).all()
    assert (count[share < 1e-9] == 0).all()
    halves = [np.bincount(part, minlength=50) for part in np.split(chosen, 2)]  # in random order
    assert (np.abs(halves[0] - halves[1]) < 6 * np.sqrt(count + 1)).all()


def test_resampled_samples_follow_the_true_posterior() -> None:
    theta, log_p, log_q = drawn()
    found = theta[resampled(importance(log_p, log_q).share, 20_000, np.random.default_rng(1))]
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=0.03)
    np.testing.assert_allclose(np.cov(found.T), np.eye(2), atol=0.04)
