from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from astropy import units as u

from hpcflow.model.extinction import LAWS, ccm89, odonnell94

laws = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())

# Cardelli, Clayton & Mathis 1989, table 3: passband, 1 / lambda [1 / micron], a, b.
TABLE_3 = [
    ("U", 2.78, 0.9530, 1.9090),
    ("V", 1.82, 1.0000, 0.0000),
    ("R", 1.43, 0.8686, -0.3660),
    ("I", 1.11, 0.6800, -0.6239),
    ("J", 0.80, 0.4008, -0.3679),
]


def screen(law: object, x: float | np.ndarray) -> np.ndarray:
    """Return a and b, stacked, at x per micron."""
    return np.stack(law(1e3 / np.atleast_1d(x)))  # type: ignore[operator]


@laws
@pytest.mark.parametrize("r_v", [2.0, 3.1, 5.5])
def test_the_extinction_in_v_is_r_v(law: object, r_v: float) -> None:
    a, b = screen(law, 1e3 / 549.45)
    assert (r_v * a + b)[0] == pytest.approx(r_v, rel=1e-4)


@pytest.mark.parametrize(("band", "x", "a", "b"), TABLE_3, ids=[row[0] for row in TABLE_3])
def test_published_values(band: str, x: float, a: float, b: float) -> None:
    np.testing.assert_allclose(screen(ccm89, x)[:, 0], [a, b], atol=2e-3)


@pytest.mark.parametrize("r_v", [2.0, 3.1, 5.5])
@pytest.mark.parametrize(("law", "name"), [(ccm89, "CCM89"), (odonnell94, "O94")])
def test_the_laws_are_those_of_dust_extinction(law: object, name: str, r_v: float, peer: Callable[[str], Any]) -> None:
    other = getattr(peer("dust_extinction.parameter_averages"), name)(Rv=r_v)
    x = np.linspace(0.3, 10.0, 20_001)[1:-1]
    a, b = screen(law, x)
    np.testing.assert_allclose(a + b / r_v, other(x / u.micron), rtol=0, atol=2e-14)  # A(lambda) / A(V) up to 8


@laws
def test_b_and_v_differ_by_one_per_ebv(law: object) -> None:
    # E(B-V) = A(B) - A(V) whatever R_V: near B, at 2.27 per micron, a stays 1 and b grows to 1.
    a, b = (screen(law, 2.27) - screen(law, 1.82))[:, 0]
    assert a == pytest.approx(0.0, abs=0.02)
    assert b == pytest.approx(1.0, abs=0.06)


@laws
@pytest.mark.parametrize(("limit", "jump"), [(1.1, 2.5e-3), (3.3, 1.5e-2), (5.9, 1e-7), (8.0, 5e-4)])
def test_branches_meet(law: object, limit: float, jump: float) -> None:
    below, above = screen(law, limit - 1e-10), screen(law, limit + 1e-10)
    assert np.abs(above - below).max() < jump


@laws
def test_no_branch_is_left_out_and_extinction_falls_from_the_optical_to_the_infrared(law: object) -> None:
    x = np.linspace(0.3, 2.3, 500)
    a, b = screen(law, x)
    assert (np.diff(3.1 * a + b) > 0).all()


@laws
def test_the_2175_angstrom_bump_is_there(law: object) -> None:
    x = np.linspace(3.5, 7.5, 801)
    a, b = screen(law, x)
    curve = 3.1 * a + b
    local = x[1:-1][(curve[1:-1] > curve[:-2]) & (curve[1:-1] > curve[2:])]
    assert len(local) == 1
    assert 1e4 / local[0] == pytest.approx(2175, abs=25)


@laws
def test_outside_its_range_a_law_is_nan_and_inside_it_is_not(law: object) -> None:
    a, b = law(np.array([99.9, 100.0, 1000.0, 5500.0, 5501.0, 1e5]))  # type: ignore[operator]
    np.testing.assert_array_equal(np.isfinite(a), [False, True, True, True, False, False])
    np.testing.assert_array_equal(np.isfinite(a), np.isfinite(b))


@laws
def test_the_infrared_power_law_goes_on_beyond_its_published_end(law: object) -> None:
    a, b = screen(law, [0.19, 0.25, 0.5])
    slopes = np.diff(np.log(np.abs([a, b]))) / np.diff(np.log([0.19, 0.25, 0.5]))
    np.testing.assert_allclose(slopes, 1.61, rtol=1e-12)


@laws
def test_the_whole_range_is_finite_and_shape_is_kept(law: object) -> None:
    wavelength = np.linspace(100.0, 5500.0, 20_000)
    a, b = law(wavelength)  # type: ignore[operator]
    assert a.shape == b.shape == wavelength.shape
    assert np.isfinite(a).all()
    assert np.isfinite(b).all()
    assert law(np.array([], dtype=float))[0].shape == (0,)  # type: ignore[operator]


@laws
def test_each_wavelength_is_on_its_own(law: object) -> None:
    wavelength = np.random.default_rng(1).uniform(100, 3300, 200)
    together = np.stack(law(wavelength))  # type: ignore[operator]
    alone = np.concatenate([np.stack(law(wavelength[i : i + 1])) for i in range(200)], axis=1)  # type: ignore[operator]
    np.testing.assert_allclose(together, alone, rtol=1e-14)


def test_the_laws_differ_in_the_optical_alone() -> None:
    x = np.linspace(0.3, 10.0, 5000)
    same = (screen(ccm89, x) == screen(odonnell94, x)).all(axis=0)
    optical = (x >= 1.1) & (x < 3.3) & (np.abs(x - 1.82) > 1e-2)
    assert same[(x < 1.1) | (x >= 3.3)].all()
    assert not same[optical].any()
    # O'Donnell's near-UV is the lower of the two for R_V = 3.1: his reason to fit anew.
    assert np.abs(np.array([3.1, 1]) @ (screen(ccm89, x) - screen(odonnell94, x))).max() < 0.15
