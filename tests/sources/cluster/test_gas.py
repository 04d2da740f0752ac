"""Clusters with gas: what the simulator makes of covering_factor and log_u."""

from functools import cache

import numpy as np
import pytest

from hpcflow.base.errors import InputError
from hpcflow.sources.cluster.simulators import build_derived, build_ssp
from hpcflow.sources.cluster.ssp import SspSimulator

BANDS = ("F275W", "F336W", "F438W", "F555W", "F814W")
WIDE = (("ebv", (0.0, 1.5)), ("r_v", (2.0, 6.0)))
STARS = ("log_age", "ebv")
ages = pytest.mark.parametrize("ages", ["continuous", "cigale"])
FREE = [
    (*STARS, "covering_factor"),
    ("covering_factor", *STARS, "log_u"),
    (*STARS, "metallicity", "covering_factor"),
    (*STARS, "r_v", "covering_factor"),
    (*STARS, "log_u", "r_v", "covering_factor", "metallicity"),
]
free = pytest.mark.parametrize("parameters", FREE, ids="+".join)


@cache
def built(
    parameters: tuple[str, ...] = (*STARS, "covering_factor"),
    fixed: tuple[tuple[str, float], ...] = (),
    ages: str = "continuous",
    bounds: tuple[tuple[str, tuple[float, float]], ...] = WIDE,
    threads: int = 1,
) -> SspSimulator:
    return build_ssp(
        ssp="bc03_miles_kroupa",
        bands={band: f"WFC3_UVIS.{band}" for band in BANDS},
        parameters=parameters,
        fixed={"metallicity": 0.02, "r_v": 3.1} | dict(fixed),
        ages=ages,  # type: ignore[arg-type]
        extinction="odonnell94",
        bounds=dict(bounds),
        threads=threads,
    )


def drawn(parameters: tuple[str, ...], n: int = 400, oldest: float = 8.0) -> np.ndarray:
    rng = np.random.default_rng(5)
    columns = {
        "log_age": rng.uniform(6.0, oldest, n),
        "ebv": rng.uniform(0.0, 1.5, n),
        "covering_factor": rng.uniform(0.0, 1.0, n),
        "log_u": rng.uniform(-4.0, -1.0, n),
        "r_v": rng.uniform(2.0, 6.0, n),
        "metallicity": 10 ** rng.uniform(-4.0, -1.0, n),
    }
    return np.stack([columns[name] for name in parameters], axis=1)


def brightening(age_myr: float, metallicity: float) -> np.ndarray:
    """Return by how many magnitudes (5,) gas that absorbs everything brightens a cluster."""
    theta = np.array([[6 + np.log10(age_myr), 0.0, covering_factor] for covering_factor in (0, 1)])
    none, full = built(fixed=(("metallicity", metallicity),))(theta)
    return 2.5 * np.log10(full / none)


def test_gas_brightens_young_clusters_in_the_bands_of_its_lines() -> None:
    for metallicity in (0.004, 0.02):
        young = brightening(1.5, metallicity)
        assert 1.4 < young[3] < 2.5  # F555W has [O III] and H beta
        assert 1.8 < young[4] < 2.2
        assert young[3] > young[1] > young[0]
        assert (brightening(4.0, metallicity) < 0.75 * young).all()
        assert (brightening(8.0, metallicity) < 0.1).all()
        assert not brightening(30.0, metallicity).any()


@ages
@free
def test_no_covering_factor_is_no_gas_to_the_last_bit(parameters: tuple[str, ...], ages: str) -> None:
    theta = drawn(parameters, oldest=10.1)
    theta[:, parameters.index("covering_factor")] = 0.0
    stars = tuple(name for name in parameters if name not in ("covering_factor", "log_u"))
    alone = theta[:, [parameters.index(name) for name in stars]]
    np.testing.assert_array_equal(built(parameters, ages=ages)(theta), built(stars, ages=ages)(alone))


@ages
@free
def test_light_is_linear_in_the_covering_factor(parameters: tuple[str, ...], ages: str) -> None:
    theta, column = drawn(parameters), parameters.index("covering_factor")
    none, some, full = (theta.copy() for _ in range(3))
    none[:, column], full[:, column] = 0.0, 1.0
    share = some[:, column, None]
    simulator = built(parameters, ages=ages)
    expected = (1 - share) * simulator(none) + share * simulator(full)
    np.testing.assert_allclose(simulator(some), expected, rtol=1e-12)


@ages
@pytest.mark.parametrize("metallicity", [0.004, 0.02])
def test_what_is_free_is_what_is_fixed_at_its_value(metallicity: float, ages: str) -> None:
    fixed = (("covering_factor", 0.6), ("log_u", -2.2), ("r_v", 4.0), ("metallicity", metallicity))
    theta = drawn(STARS)
    parameters = (*STARS, "r_v", "metallicity", "covering_factor", "log_u")
    both = np.column_stack([theta, np.tile([4.0, metallicity, 0.6, -2.2], (len(theta), 1))])
    np.testing.assert_allclose(built(parameters, ages=ages)(both), built(STARS, fixed, ages)(theta), rtol=1e-10)


@ages
@pytest.mark.parametrize("extra", [(), ("metallicity",), ("log_u",)])
def test_the_polynomials_of_gas_are_the_sum(extra: tuple[str, ...], ages: str) -> None:
    parameters = (*STARS, "r_v", "covering_factor", *extra)
    theta = drawn(parameters)
    by_the_sum = built(parameters, ages=ages, bounds=())(theta)
    np.testing.assert_allclose(built(parameters, ages=ages)(theta), by_the_sum, rtol=1e-10)
    fixed = tuple(name for name in parameters if name != "r_v")
    column = parameters.index("r_v")
    theta[:, column] = 3.1
    by_the_series = built(fixed, ages=ages)(np.delete(theta, column, axis=1))
    np.testing.assert_allclose(by_the_series, built(parameters, ages=ages, bounds=())(theta), rtol=1e-11)


def test_light_is_linear_in_log_u_between_the_nodes() -> None:
    parameters = (*STARS, "covering_factor", "log_u")
    theta = drawn(parameters, 50)

    def at(log_u: float) -> np.ndarray:
        theta[:, 3] = log_u
        return built(parameters)(theta)

    np.testing.assert_allclose(at(-2.9), 0.8 * at(-3.0) + 0.2 * at(-2.5), rtol=1e-12)


def test_the_age_n_of_cigale_is_the_mean_over_its_tenths_with_gas_too() -> None:
    age = np.array([2.0, 3.0, 7.0, 20.0])

    def flux(ages: str, age: np.ndarray) -> np.ndarray:
        return built(ages=ages)(np.stack([6 + np.log10(age), np.full(4, 0.4), np.full(4, 0.8)], axis=1))

    tenths = np.mean([flux("continuous", age - k / 10) for k in range(10)], axis=0)
    np.testing.assert_allclose(flux("cigale", age), tenths, rtol=1e-10)
    np.testing.assert_array_equal(flux("cigale", age), flux("cigale", age + 0.3))


@ages
def test_gas_has_no_jumps_where_it_ends(ages: str) -> None:
    age = np.linspace(20.0, 32.0, 2001) if ages == "continuous" else np.arange(20.0, 33.0)
    parameters = (*STARS, "covering_factor")
    theta = np.stack([6 + np.log10(age), np.zeros(len(age)), np.ones(len(age))], axis=1)
    without = theta * [1, 1, 0]
    share = built(parameters, ages=ages)(theta) / built(parameters, ages=ages)(without) - 1
    assert np.abs(np.diff(share, axis=0)).max() < 2e-4
    assert (share[0] > 0).all()
    assert not share[-1].any()


@free
def test_a_bad_row_is_nan_and_leaves_the_others_alone(parameters: tuple[str, ...]) -> None:
    theta, simulator = drawn(parameters, 60, 10.1), built(parameters)
    alone, wrong = simulator(theta), {"covering_factor": (-0.01, 1.01), "log_u": (-4.01, -0.99)}
    bad = theta.copy()
    rows = []
    for name in {"covering_factor", "log_u"} & set(parameters):
        for value in (*wrong[name], np.nan, np.inf, -np.inf):
            rows.append(2 * len(rows))
            bad[rows[-1], parameters.index(name)] = value
    flux, broken = simulator(bad), np.isin(np.arange(60), rows)
    assert np.isnan(flux[broken]).all()
    np.testing.assert_array_equal(flux[~broken], alone[~broken])
    assert simulator.reasons.total() == len(rows)


@free
def test_neither_order_nor_threads_change_a_byte(parameters: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpcflow.model.threads.PIECE", 77)
    theta = drawn(parameters, 500, 10.1)
    theta[::9] = np.nan
    flux, order = built(parameters)(theta), np.random.default_rng(1).permutation(500)
    np.testing.assert_array_equal(built(parameters)(theta[order]), flux[order])
    np.testing.assert_array_equal(built(parameters, threads=3)(theta), flux)
    np.testing.assert_array_equal(built(parameters)(theta[:0]), flux[:0])


def test_it_says_what_gas_it_has() -> None:
    half, full, thin = ("covering_factor", 0.5), ("covering_factor", 1.0), ("log_u", -2.0)
    stars, some, everything, other = (built(STARS, fixed).provenance for fixed in ((), (half,), (full,), (full, thin)))
    assert "gas_sha256" not in stars
    assert "covering_factor" not in stars["fixed"]
    assert len({p["fixed"] for p in (stars, some, everything, other)}) == 4
    assert some["gas_sha256"] == everything["gas_sha256"]
    assert built(STARS, (("covering_factor", 0.0), ("log_u", -2.0))).provenance == stars


def test_log_u_without_gas_is_an_error() -> None:
    with pytest.raises(InputError, match=r"log_u changes nothing without gas; free covering_factor too"):
        built((*STARS, "log_u"))


def test_the_absolute_magnitude_is_that_of_stars_and_gas() -> None:
    everything = ("log_age", "log_mass", "ebv")
    theta = np.array([[6.3, 4.0, 0.2], [8.0, 4.0, 0.2]])
    ssp = "bc03_miles_kroupa"
    none, fixed = (
        build_derived("ssp", parameters=everything, fixed={"covering_factor": share}, ssp=ssp) for share in (0, 0.7)
    )
    free = build_derived("ssp", parameters=(*everything, "covering_factor"), fixed={}, ssp=ssp)
    assert none and fixed and free
    living, m_v = fixed(theta).T
    np.testing.assert_array_equal(living, none(theta)[:, 0])
    unreddened = theta[:, [0, 2]] * [1, 0]
    brighter = built(STARS, (("covering_factor", 0.7),))(unreddened) / built(STARS)(unreddened)
    np.testing.assert_allclose(none(theta)[:, 1] - m_v, 2.5 * np.log10(brighter[:, 3]), atol=1e-12)
    np.testing.assert_allclose(free(np.column_stack([theta, [0.7, 0.7]])), fixed(theta), atol=1e-12)
