import numpy as np
import pytest

from hpcflow.calibration.discrepancy import c2st, wasserstein

N = 300
SPREAD = np.array([0.5, 0.1, 0.02])


def sets(width: float = 1.0, shift: float = 0.0, repeats: int = 30) -> list[tuple[np.ndarray, np.ndarray]]:
    """Make samples of a correlated normal posterior, and others `width` times as wide and `shift` sigma away."""
    rng = np.random.default_rng(1)
    root = np.linalg.cholesky(np.array([[1, 0.8, -0.5], [0.8, 1, -0.3], [-0.5, -0.3, 1]]))
    pairs = rng.standard_normal((repeats, 2, N, 3))
    return [(shift * SPREAD + width * a @ root.T * SPREAD, b @ root.T * SPREAD) for a, b in pairs]


def accuracy(*args: float) -> float:
    return float(np.mean([c2st(*pair) for pair in sets(*args)]))


def distance(*args: float) -> float:
    return float(np.mean([wasserstein(*pair) for pair in sets(*args)]))


def test_two_sets_of_one_posterior_cannot_be_told_apart() -> None:
    assert accuracy() == pytest.approx(0.5, abs=0.012)  # standard error 0.004
    assert distance() == pytest.approx(2 / np.sqrt(N), rel=0.2)


@pytest.mark.parametrize("spoil", [(1.2,), (0.8,), (1.0, 0.5)])
def test_a_wrong_width_or_place_is_seen(spoil: tuple[float, ...]) -> None:
    assert accuracy(*spoil) > 0.525
    assert distance(*spoil) > 1.5 * distance()


def test_accuracy_grows_with_distance() -> None:
    assert accuracy(1.0, 0.5) < accuracy(1.0, 1.0) < accuracy(1.0, 3.0)
    assert distance(1.0, 3.0) == pytest.approx(3, rel=0.05)


def test_another_clusters_posterior_is_always_told_apart() -> None:
    assert accuracy(1.0, 20.0) == 1


def test_units_do_not_matter() -> None:
    (a, b), *_ = sets(1.3, 0.2)
    scale = np.array([1e3, 1.0, 1e-3])
    np.testing.assert_allclose(wasserstein(a * scale, b * scale), wasserstein(a, b))
    assert c2st(a * scale, b * scale) == pytest.approx(c2st(a, b), abs=0.01)


def test_samples_at_one_point_are_told_apart() -> None:
    (_, b), *_ = sets()
    assert c2st(np.tile(b[:1] + 1, (N, 1)), b) > 0.99
    assert np.isfinite(wasserstein(b, np.tile(b[:1], (N, 1)))).all()
