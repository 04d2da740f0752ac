import numpy as np
import pytest

from hpcflow.model.filters import load_curve
from hpcflow.model.tables import load_ssp, load_tables
from hpcflow.sources.cluster.derived import MASS, DerivedCluster
from hpcflow.sources.cluster.ssp import SspSimulator

ALL = ("log_age", "log_mass", "ebv")


def solar() -> DerivedCluster:
    return DerivedCluster([load_ssp("bc03_miles_kroupa", 0.02)], ALL, {"r_v": 3.1})


def test_living_stars_weigh_less_as_a_cluster_ages() -> None:
    ages = np.linspace(6, 10.13, 50)
    found = solar()(np.column_stack([ages, np.full(50, 5.0), np.zeros(50)]))
    assert found[0, 0] == pytest.approx(5.0, abs=1e-3)
    assert (np.diff(found[:, 0]) <= 1e-12).all()
    assert 10 ** (found[-1, 0] - 5) == pytest.approx(0.45, abs=0.05)  # Kroupa: somewhat less than half of it


def test_the_absolute_magnitude_does_not_see_dust_and_follows_the_mass() -> None:
    theta = np.array([[7.0, 4.0, 0.0], [7.0, 4.0, 1.0], [7.0, 6.0, 0.3]])
    m_v = solar()(theta)[:, 1]
    assert m_v[0] == m_v[1]
    assert m_v[2] - m_v[0] == pytest.approx(-5.0)
    flux = SspSimulator(load_ssp("bc03_miles_kroupa", 0.02), {"V": load_curve("WFC3_UVIS.F555W")})(theta[:1, [0, 2]])
    assert m_v[0] == pytest.approx(-2.5 * np.log10(flux[0, 0] * 1e4 / 3631e3) + 0.028)
    # A cluster of 10^4 solar masses and 10 Myr has M_V near -8.5 (Bruzual & Charlot 2003).
    assert m_v[0] == pytest.approx(-8.6, abs=0.6)


def test_a_free_metallicity_is_taken_into_account() -> None:
    tables = load_tables("bc03_miles_kroupa")
    of = DerivedCluster(tables, (*ALL, "metallicity"), {"r_v": 3.1})
    theta = np.array([[9.5, 5.0, 0.1, z] for z in (0.004, 0.0089, 0.02)])
    found = of(theta)
    solar_one = solar()(theta[2:, :3])[0]
    np.testing.assert_allclose(found[2], solar_one, rtol=1e-6)
    assert min(found[0, 1], found[2, 1]) < found[1, 1] < max(found[0, 1], found[2, 1])
    assert np.isfinite(found).all()


def test_a_table_without_mass_fractions_has_no_living_mass() -> None:
    from dataclasses import replace

    of = DerivedCluster([replace(load_ssp("bc03_miles_kroupa", 0.02), mass_fraction=None)], ALL, {})
    assert MASS not in of.quantities
    assert of(np.array([[7.0, 4.0, 0.0]])).shape == (1, 1)
