"""Few bins have the mean of many, and nearly their variance."""

import numpy as np
import pytest

from hpcflow.sources.cluster.bins import MEAN, binned


@pytest.fixture
def fine() -> tuple[np.ndarray, np.ndarray]:
    """Give stars like those of an isochrone: the brighter, the rarer, with a few giants of another colour."""
    mass = np.geomspace(0.1, 8, 151)
    rate = np.diff(mass) * mass[1:] ** -2.3
    light = np.stack([mass[1:] ** 3.5, mass[1:] ** 3.0], axis=1)
    rate[-20:] *= 0.05
    light[-20:] *= np.geomspace(2, 60, 20)[:, None] * [0.1, 1.0]
    return rate, light


@pytest.mark.parametrize("most", [5, 20, 40, 1000])
def test_the_mean_stays_and_the_variance_hardly_falls(fine: tuple[np.ndarray, np.ndarray], most: int) -> None:
    rate, light = fine
    found = binned(rate, light, most)
    assert len(found.rate) == len(found.light) <= most
    np.testing.assert_allclose(found.mean, rate @ light, rtol=1e-12)
    kept = found.variance / (rate @ light**2)
    assert (kept < 1).all()
    assert (kept > {5: 0.7, 20: 0.97}.get(most, 0.99)).all()


def test_what_is_not_counted_hardly_scatters(fine: tuple[np.ndarray, np.ndarray]) -> None:
    rate, light = fine
    found = binned(rate, light, len(rate))
    assert len(found.rate) < len(rate)
    lost = 1 - found.variance / (rate @ light**2)
    assert (lost < MEAN).all()
    np.testing.assert_allclose(rate @ light - found.rate @ found.light, found.rest, rtol=1e-9)
