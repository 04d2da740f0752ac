"""The isochrones that ship have the stars that are known to live at each age."""

import numpy as np
import pytest

from hpcflow.sources.cluster.imf import stars_between
from hpcflow.sources.cluster.isochrones import load_isochrones

SHIPPED = load_isochrones("sse")


def test_every_isochrone_begins_with_the_lightest_stars_and_ascends() -> None:
    assert (np.diff(SHIPPED.log_age) > 0).all()
    assert (np.diff(SHIPPED.metallicity) > 0).all()
    for of_z in SHIPPED.table:
        assert len(of_z) == len(SHIPPED.log_age)
        for one in of_z:
            assert (np.diff(one.mass) > 0).all()
            assert one.mass[0] == pytest.approx(0.1)
            assert np.isfinite(one.stars).all()
            assert one.stars[:, 1].min() > 3.3


@pytest.mark.parametrize(("log_age", "heaviest"), [(6.0, 100.0), (7.0, 19.0), (8.0, 5.4), (9.0, 2.3), (10.0, 1.09)])
def test_the_heaviest_star_is_as_old_as_stars_become(log_age: float, heaviest: float) -> None:
    """Hurley, Pols & Tout 2000, fig. 3, at solar metallicity."""
    a = int(np.argmin(np.abs(SHIPPED.log_age - log_age)))
    masses = [one.mass[-1] for one in SHIPPED.table[SHIPPED.metallicity.tolist().index(0.02)]]
    assert masses[a] == pytest.approx(heaviest, rel=0.05)
    assert (np.diff(masses) <= 0).all()


def test_all_light_is_that_of_a_population() -> None:
    """A solar mass of stars has a thousand suns at 3 Myr, and a quarter of one at 10 Gyr (Bruzual & Charlot 2003)."""
    of_z = SHIPPED.table[SHIPPED.metallicity.tolist().index(0.02)]
    for log_age, low, high in ((6.475, 500, 2000), (8.0, 8, 20), (10.0, 0.15, 0.35)):
        one = of_z[int(np.argmin(np.abs(SHIPPED.log_age - log_age)))]
        bright = 10 ** one.stars[:, 0]
        assert low < stars_between(one.mass) @ (bright[1:] + bright[:-1]) / 2 < high


def test_red_supergiants_are_no_cooler_than_observed_ones() -> None:
    for of_z in SHIPPED.table:
        for one in of_z:
            log_l, log_teff, _ = one.stars.T
            assert log_teff[(one.mass > 9) & (log_l > 4.05) & (log_l < 5.45)].min(initial=9.0) > 3.56


def test_the_digest_is_that_of_the_numbers() -> None:
    assert load_isochrones("sse").digest == SHIPPED.digest
    fewer = type(SHIPPED)(SHIPPED.log_age, SHIPPED.metallicity[1:], SHIPPED.table[1:])
    assert fewer.digest != SHIPPED.digest
