import numpy as np
import pytest

from hpcflow.figures.density import density, levels

EDGES = (np.linspace(0, 1, 21), np.linspace(0, 2, 31))


@pytest.mark.parametrize("width", [0, 1.0, 2.5])
def test_smoothing_keeps_the_sum(width: float) -> None:
    x, y = np.random.default_rng(1).random((2, 500))
    assert density(x, y, EDGES, width).sum() == pytest.approx(500)


def test_axes_are_not_exchanged() -> None:
    grid = density(np.array([0.01, np.nan]), np.array([1.99, 1.0]), EDGES, 0)
    assert grid[0, -1] == 1 == grid.sum()


def test_levels_hold_their_shares() -> None:
    grid = np.random.default_rng(1).random((40, 40))
    rising = levels(grid, (0.95, 0.68))
    assert rising == sorted(rising)
    for height, share in zip(rising, (0.95, 0.68), strict=True):
        assert grid[grid >= height].sum() / grid.sum() == pytest.approx(share, abs=2e-3)


def test_levels_of_nothing_are_still_levels() -> None:
    assert levels(np.zeros((3, 3)), (0.95, 0.68)) == [0.0]
