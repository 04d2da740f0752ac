"""Clusters of few stars: their mean is that of the `ssp` simulator, and their scatter is that of their stars."""

from functools import cache

import numpy as np
import pytest

from hpcflow.base.errors import InputError
from hpcflow.model.zero_points import AB_ZERO_MJY, VEGA_TO_AB
from hpcflow.sources.cluster.simulators import build_ssp, build_stochastic
from hpcflow.sources.cluster.stochastic import StochasticSimulator

BANDS = {band: f"WFC3_UVIS.{band}" for band in ("F275W", "F336W", "F438W", "F555W", "F814W")}
PARAMETERS = ("log_age", "log_mass", "ebv", "realisation")
SETTINGS = {"ssp": "bc03_miles_kroupa", "bands": BANDS, "ages": "continuous", "extinction": "odonnell94"}
N = 20_000


@cache
def stochastic(
    parameters: tuple[str, ...] = PARAMETERS, metallicity: float = 0.02, threads: int = 1
) -> StochasticSimulator:
    fixed = {} if "metallicity" in parameters else {"metallicity": metallicity}
    return build_stochastic(isochrones="sse", parameters=parameters, fixed=fixed, threads=threads, **SETTINGS)


def rows(log_age: float, log_mass: float, n: int = N, ebv: float = 0.0) -> np.ndarray:
    realisation = np.random.default_rng(1).random(n)
    return np.column_stack([np.full(n, log_age), np.full(n, log_mass), np.full(n, ebv), realisation])


def drawn(n: int, seed: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).uniform([6, 2.5, 0, 0], [10.1, 6, 1.5, 1], (n, 4))


def ratio(theta: np.ndarray) -> np.ndarray:
    """Return fluxes over those of the `ssp` simulator."""
    mean = build_ssp(parameters=("log_age", "ebv"), fixed={"metallicity": 0.02}, **SETTINGS)  # type: ignore[arg-type]
    return stochastic()(theta) / mean(theta[:, [0, 2]])


@pytest.mark.parametrize("log_age", [6.0, 6.613, 7.01, 7.5, 8.0, 9.02, 9.7, 10.1])
@pytest.mark.parametrize("log_mass", [3.5, 5.0])
def test_the_mean_of_many_is_the_flux_of_a_population(log_age: float, log_mass: float) -> None:
    found = ratio(rows(log_age, log_mass))
    error = found.std(axis=0) / np.sqrt(N)
    assert (np.abs(found.mean(axis=0) - 1) < 5 * error).all()
    if log_mass == 5.0:
        assert (error[1:] < 0.005).all()  # hence the mean is right to better than 1 %, but for rare hot stars in F275W
        assert (found.min(axis=0) > 0).all()


@pytest.mark.parametrize("log_age", [6.6, 7.5, 9.0])
def test_massive_clusters_become_populations_as_the_root_of_their_mass(log_age: float) -> None:
    scatter = {log_mass: ratio(rows(log_age, log_mass)).std(axis=0) for log_mass in (4.0, 6.0, 8.0)}
    np.testing.assert_allclose(scatter[4.0] / scatter[6.0], 10, rtol=0.25)
    np.testing.assert_allclose(scatter[6.0] / scatter[8.0], 10, rtol=0.05)
    assert (scatter[6.0] < 0.07).all()
    assert (scatter[8.0] < 0.007).all()


# V and I, mag, of 10^4 and of 10^5 solar masses. Isochrones of PARSEC give 0.36, 0.43 and 0.13, 0.19 at 4 Myr;
# 0.34, 0.48 and 0.11, 0.14 at 10 Myr; 0.09, 0.18 and 0.03, 0.06 at 100 Myr.
SCATTER = {
    6.6: ((0.25, 0.47), (0.081, 0.162)),
    7.0: ((0.195, 0.44), (0.062, 0.128)),
    8.0: ((0.079, 0.153), (0.025, 0.049)),
}


@pytest.mark.parametrize("log_age", SCATTER)
def test_scatter_is_that_of_the_stars(log_age: float) -> None:
    for log_mass, expected in zip((4.0, 5.0), SCATTER[log_age], strict=True):
        found = (-2.5 * np.log10(ratio(rows(log_age, log_mass)))).std(axis=0)[3:]
        np.testing.assert_allclose(found, expected, rtol=0.05)


def test_few_stars_are_mostly_fainter_than_their_mean_and_seldom_much_brighter() -> None:
    found = ratio(rows(7.0, 3.0))[:, 4]
    assert np.median(found) < 0.5
    assert found.max() > 8


def test_a_row_has_its_stars_whatever_is_simulated_with_it() -> None:
    theta = drawn(5000)
    flux = stochastic()(theta)
    order = np.random.default_rng(3).permutation(len(theta))
    np.testing.assert_array_equal(stochastic()(theta[order]), flux[order])
    for size in (1, 7, 1024, 1025):
        some = slice(100, 100 + size)
        np.testing.assert_array_equal(stochastic()(theta[some]), flux[some])


def test_the_number_of_threads_changes_nothing() -> None:
    theta = drawn(20_000)
    np.testing.assert_array_equal(stochastic(threads=2)(theta), stochastic()(theta))


def test_a_row_as_a_library_stores_it_has_the_same_stars() -> None:
    theta = drawn(2000)
    mean = build_ssp(parameters=("log_age", "ebv"), fixed={"metallicity": 0.02}, **SETTINGS)  # type: ignore[arg-type]
    stored = theta.astype(np.float32).astype(np.float64)
    first, again = (stochastic()(rows) / mean(rows[:, [0, 2]]) for rows in (theta, stored))
    np.testing.assert_allclose(first, again, rtol=1e-13)


def test_realisations_differ_and_dust_does_not_change_the_stars() -> None:
    clear, dusty = (ratio(rows(7.0, 3.0, 100, ebv)) for ebv in (0.0, 0.8))
    np.testing.assert_allclose(clear, dusty, rtol=1e-10)
    assert len(np.unique(clear[:, 4])) > 95


def test_an_age_between_two_isochrones_has_the_stars_of_either() -> None:
    """The mean square of the scatter is that of both in proportion, here of two that differ by a lot."""
    below, between, above = (ratio(rows(age, 5.0)).var(axis=0)[0] for age in (9.15, 9.1625, 9.2))
    assert above > 1.6 * below
    assert between == pytest.approx(0.75 * below + 0.25 * above, rel=0.1)


def test_a_free_metallicity_has_stars_of_its_own() -> None:
    free = stochastic(("log_age", "log_mass", "ebv", "metallicity", "realisation"))
    theta = rows(8.0, 4.0)
    for z in (0.004, 0.02):
        fixed = stochastic(metallicity=z)
        np.testing.assert_allclose(free(np.insert(theta, 3, z, axis=1)), fixed(theta), rtol=1e-9)
    metals = np.insert(theta, 3, np.random.default_rng(5).uniform(1e-4, 0.1, N), axis=1)
    assert np.isfinite(free(metals)).all()  # beyond the isochrones' metallicities are their last ones


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 400.0])
def test_a_mass_that_is_none_is_a_failed_row(wrong: float) -> None:
    theta = rows(7.0, 4.0, 3)
    theta[1, 1] = wrong
    simulator = stochastic()
    assert np.isnan(simulator(theta)).all(axis=1).tolist() == [False, True, False]
    assert sum(simulator.reasons.values()) == 1


@pytest.mark.parametrize("lacking", ["log_mass", "realisation"])
def test_what_it_needs_is_said(lacking: str) -> None:
    with pytest.raises(InputError, match=f"needs {lacking}"):
        stochastic(tuple(name for name in PARAMETERS if name != lacking))


def test_it_says_which_stars_it_has() -> None:
    found = stochastic().provenance
    assert found["simulator"] == "stochastic"
    assert {"ssp_sha256", "isochrones_sha256", "atmospheres_sha256"} <= set(found)


def test_old_stars_scatter_as_those_of_galaxies_do() -> None:
    """Mean square over mean flux of stars is M_I = -0.92 where V-I = 1.33 (Tonry et al. 2001, ApJ 546, 681)."""
    mean = build_ssp(parameters=("log_age", "ebv"), fixed={"metallicity": 0.02}, **SETTINGS)  # type: ignore[arg-type]
    flux = mean(np.array([[10.0, 0.0]]))[0, 4]
    bright = 1e5 * ratio(rows(10.0, 5.0))[:, 4].var() * flux
    magnitude = -2.5 * np.log10(bright / AB_ZERO_MJY) - VEGA_TO_AB["WFC3_UVIS.F814W"]
    assert magnitude == pytest.approx(-0.92, abs=0.6)  # SSE's giants are too faint by half a magnitude
