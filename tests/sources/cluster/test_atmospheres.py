"""Stars are as bright as known ones are, and beyond the models as black bodies would have it."""

import numpy as np
import pytest

from hpcflow.model.black_body import surface_flux
from hpcflow.model.filters import load_curve
from hpcflow.model.zero_points import AB_ZERO_MJY, VEGA_TO_AB
from hpcflow.sources.cluster.atmospheres import Light, shipped_atmospheres

CURVES = {name: load_curve(name) for name in ("WFC3_UVIS.F336W", "WFC3_UVIS.F555W", "WFC3_UVIS.F814W", "NIRCAM.F200W")}


def vega(stars: np.ndarray, metallicity: float = 0.02) -> np.ndarray:
    flux = Light(shipped_atmospheres(), metallicity, CURVES)(stars)
    return -2.5 * np.log10(flux / AB_ZERO_MJY) - np.array([VEGA_TO_AB[name] for name in CURVES])


def test_the_sun_is_as_bright_as_it_is() -> None:
    """Willmer 2018 (ApJS 236, 47), Vega: F336W 5.46, F555W 4.86, F814W 4.12; K 3.27."""
    found = vega(np.array([[0.0, np.log10(5772), 4.438]]))[0]
    np.testing.assert_allclose(found, [5.46, 4.86, 4.12, 3.27], atol=0.12)


def test_vega_has_no_colours() -> None:
    found = vega(np.array([[np.log10(47.0), np.log10(9550), 3.95]]))[0]
    assert np.ptp(found[1:]) < 0.05
    assert found[1] == pytest.approx(0.58, abs=0.15)


def test_a_hot_star_and_a_supergiant_have_the_colours_that_are_observed() -> None:
    """O5 V: (V-I)_0 = -0.3 to -0.4; M2 I: V-I about 2.4 (Pecaut & Mamajek 2013; Levesque et al. 2005)."""
    hot, cool = vega(np.array([[5.5, np.log10(41_000), 3.9], [5.0, np.log10(3660), 0.0]]))
    assert -0.45 < hot[1] - hot[2] < -0.25
    assert 1.9 < cool[1] - cool[2] < 2.9


def test_hotter_than_all_models_is_a_black_body_times_what_the_hottest_is() -> None:
    at = shipped_atmospheres()
    light = Light(at, 0.02, CURVES)
    one, other = light(np.array([[0.0, np.log10(100_000), 4.0], [0.0, np.log10(200_000), 4.0]]))
    pivots = np.array([curve.pivot_nm for curve in CURVES.values()])
    bodies = surface_flux(np.array([[100_000.0], [200_000.0]]), pivots) / np.array([[1.0], [16.0]])
    np.testing.assert_allclose(other / one, bodies[1] / bodies[0], rtol=0.02)


def test_light_is_in_proportion_to_luminosity_and_falls_with_metals() -> None:
    stars = np.array([[0.0, 3.65, 2.0], [1.0, 3.65, 2.0]])
    rich, poor = (Light(shipped_atmospheres(), z, CURVES)(stars) for z in (0.02, 0.0004))
    np.testing.assert_allclose(rich[1], 10 * rich[0], rtol=1e-12)
    assert poor[0, 0] > 1.3 * rich[0, 0]  # a giant's ultraviolet


def test_the_digest_is_that_of_the_numbers() -> None:
    at = shipped_atmospheres()
    other = type(at)(at.log_z, at.teff, at.log_g, at.wl_nm, at.log_ratio + 1e-3)
    assert at.digest != other.digest
