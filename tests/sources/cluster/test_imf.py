"""Numbers of stars are integrals of Kroupa's mass function over its mean mass."""

from itertools import pairwise

import numpy as np
from scipy.integrate import quad

from hpcflow.sources.cluster.imf import stars_between


def density(mass: float) -> float:
    return float((mass / 0.5) ** (-1.3 if mass < 0.5 else -2.3))


def test_numbers_of_stars_are_integrals_over_their_mean_mass() -> None:
    edges = [0.1, 0.3, 0.5, 2.0, 30.0, 100.0]
    whole = quad(lambda mass: mass * density(mass), 0.1, 100, points=[0.5], limit=200)[0]
    expected = [quad(density, low, high)[0] / whole for low, high in pairwise(edges)]
    np.testing.assert_allclose(stars_between(np.array(edges)), expected, rtol=1e-6)
    assert stars_between(np.array([0.01, 0.05, 0.1])).tolist() == [0.0, 0.0]  # none is lighter than the lightest
