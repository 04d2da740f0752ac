import numpy as np
import pytest

from hpcflow.posterior.climb import ELITE, ROUNDS, ROWS, climb

Floats = np.ndarray

LOW, HIGH = np.array([-3.0, -3.0, 0.0]), np.array([3.0, 3.0, 1.5])
TOP = np.array([0.5, -1.0, 0.7])


def ridge(theta: Floats) -> Floats:
    """A thin, curved ridge with a kink at its top, like posteriors of age, reddening and mass."""
    x, y, z = np.moveaxis(theta - TOP, -1, 0)
    return -(np.abs(x) + 5 * x**2) - (y - x - x**2) ** 2 / 0.02 - z**2 / 0.08


def at_edge(theta: Floats) -> Floats:
    """A density whose maximum is in a corner of the bounds."""
    return 3 * theta[..., 0] - 5 * theta[..., 2] - theta[..., 1] ** 2


def cliff(theta: Floats) -> Floats:
    """A peak cut by a plane beyond which the density is zero, with its maximum at the plane; NaN for large x."""
    height = -((theta - TOP) ** 2).sum(axis=-1)
    height = np.where(theta[..., 1] > -1.2, -np.inf, height)
    return np.where(theta[..., 0] > 2.5, np.nan, height)


def started(density: object, centre: Floats, size: float, seed: int) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(seed)
    points = np.clip(centre + size * rng.standard_normal((1, ELITE, 3)), LOW, HIGH)
    heights = density(points[0])[None]  # type: ignore[operator]
    return points, heights, rng.standard_normal((ROUNDS, ROWS, 3))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    ("density", "top", "loss"),
    [(ridge, TOP, 0.02), (at_edge, np.array([3.0, 0.0, 0.0]), 0.02), (cliff, np.array([0.5, -1.2, 0.7]), 0.02)],
)
def test_the_maximum_is_reached(density: object, top: Floats, loss: float, seed: int) -> None:
    points, heights, noise = started(density, top, 0.15, seed)
    place, height = climb(density, points, heights, LOW, HIGH, noise)  # type: ignore[arg-type]
    best = density(top[None])[0]  # type: ignore[operator]
    assert best - loss < height[0] <= best + 1e-9
    assert height[0] == density(place)[0]  # type: ignore[operator]
    assert ((place >= LOW) & (place <= HIGH)).all()


def test_the_result_is_never_lower_than_the_start() -> None:
    for seed in range(5):
        points, heights, noise = started(ridge, TOP + np.array([1.0, 1.0, 0.2]), 0.01, seed)
        _, height = climb(ridge, points, heights, LOW, HIGH, noise)
        assert height[0] > heights.max()


def test_peaks_are_climbed_alike_together_and_alone() -> None:
    one, other = started(ridge, TOP, 0.1, 1), started(ridge, TOP + 0.3, 0.2, 2)
    both = climb(ridge, np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]]), LOW, HIGH, one[2])
    for k, (points, heights, _) in enumerate((one, other)):
        alone = climb(ridge, points, heights, LOW, HIGH, one[2])
        np.testing.assert_allclose(both[0][k], alone[0][0], rtol=1e-12)


def test_a_single_point_or_zero_density_stays_in_place() -> None:
    points, heights, noise = started(ridge, TOP, 0.0, 1)
    place = climb(ridge, points, heights, LOW, HIGH, noise)[0]
    np.testing.assert_allclose(place[0], TOP, atol=1e-6)
    nowhere = climb(lambda t: np.full(t.shape[:2], -np.inf), points, np.full_like(heights, -np.inf), LOW, HIGH, noise)
    assert nowhere[1][0] == -np.inf
    assert np.isfinite(nowhere[0]).all()
