import csv
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcflow.base.errors import InputError
from hpcflow.model.filters import load_curve
from hpcflow.model.tables import load_ssp, load_tables, shipped_tables
from hpcflow.sources.cluster.series import EBV_MAX
from hpcflow.sources.cluster.simulators import build_ssp
from hpcflow.sources.cluster.ssp import SspSimulator

BANDS = ("F275W", "F336W", "F438W", "F555W", "F814W")
KINDS = ("continuous", "cigale")
ages = pytest.mark.parametrize("ages", KINDS)
WIDE = (("ebv", (0.0, 1.5)), ("r_v", (2.0, 6.0)))
FREE_R_V = ("log_age", "ebv", "r_v")
free_or_fixed = pytest.mark.parametrize(
    ("parameters", "bounds"), [(("log_age", "ebv"), ()), (("ebv", "log_age"), ()), (FREE_R_V, ()), (FREE_R_V, WIDE)]
)


@cache
def shipped(
    ages: str = "continuous",
    parameters: tuple[str, ...] = ("log_age", "ebv"),
    r_v: float = 3.1,
    extinction: str = "odonnell94",
    bounds: tuple[tuple[str, tuple[float, float]], ...] = (),
    threads: int = 1,
) -> SspSimulator:
    """Return a simulator over the shipped table, in the bands of the reference run."""
    curves = {band: load_curve(f"WFC3_UVIS.{band}") for band in BANDS}
    return SspSimulator(
        load_ssp(shipped_tables()[0], 0.02),
        curves,
        parameters,
        {"r_v": r_v},
        ages,  # type: ignore[arg-type]
        extinction,
        dict(bounds),
        threads,
    )


def drawn(n: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.uniform(6.0, 10.1383, n), rng.uniform(0.0, 1.5, n)], axis=1)


def rows_of(parameters: tuple[str, ...], n: int) -> np.ndarray:
    columns = dict(zip(FREE_R_V, (*drawn(n).T, np.random.default_rng(2).uniform(2, 6, n)), strict=True))
    return np.stack([columns[name] for name in parameters], axis=1)


@pytest.fixture(scope="module")
def models(reference: Path) -> dict[str, np.ndarray]:
    """Give the columns of the table of CIGALE's own models."""
    with (reference / "reference.csv").open() as file:
        rows = list(csv.DictReader(file))
    wanted = ("age_myr", "ebv", "rv", "metallicity_Z", *(f"fnu_mJy_{band}" for band in BANDS))
    return {name: np.array([float(row[name]) for row in rows]) for name in wanted}


def of_reference(folder: Path, metallicity: float, parameters: tuple[str, ...], fixed: dict[str, float]) -> Any:
    return build_ssp(
        ssp=str(folder / f"ssp_Z{metallicity:g}.npz"),
        bands={band: str(folder / f"hst.wfc3.{band}.dat") for band in BANDS},
        parameters=parameters,
        fixed={"metallicity": metallicity} | fixed,
        ages="cigale",
        extinction="odonnell94",
    )


def compare(found: np.ndarray, models: dict[str, np.ndarray], rows: np.ndarray) -> None:
    assert rows.any()
    expected = np.stack([models[f"fnu_mJy_{band}"][rows] for band in BANDS], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_the_reference_is_whole(models: dict[str, np.ndarray]) -> None:
    assert len(models["age_myr"]) == 200
    assert set(models["metallicity_Z"]) == {0.0004, 0.004, 0.02, 0.05}
    assert len(set(models["rv"])) > 1


@pytest.mark.parametrize("metallicity", [0.0004, 0.004, 0.02, 0.05])
def test_it_is_what_cigale_computes_with_a_free_r_v(
    metallicity: float, reference: Path, models: dict[str, np.ndarray]
) -> None:
    rows = models["metallicity_Z"] == metallicity
    simulator = of_reference(reference, metallicity, ("r_v", "log_age", "ebv"), {})
    theta = np.stack([models["rv"], 6 + np.log10(models["age_myr"]), models["ebv"]], axis=1)[rows]
    compare(simulator(theta), models, rows)


@pytest.mark.parametrize("metallicity", [0.0004, 0.004, 0.02, 0.05])
def test_it_is_what_cigale_computes_with_a_fixed_r_v(
    metallicity: float, reference: Path, models: dict[str, np.ndarray]
) -> None:
    values = set(models["rv"][models["metallicity_Z"] == metallicity])
    assert values
    for r_v in values:
        rows = (models["metallicity_Z"] == metallicity) & (models["rv"] == r_v)
        simulator = of_reference(reference, metallicity, ("log_age", "ebv"), {"r_v": float(r_v)})
        compare(simulator(np.stack([6 + np.log10(models["age_myr"]), models["ebv"]], axis=1)[rows]), models, rows)


@ages
@pytest.mark.parametrize("r_v", [2.0, 3.1, 6.0])
@pytest.mark.parametrize("extinction", ["odonnell94", "ccm89"])
def test_the_series_is_the_sum(ages: str, r_v: float, extinction: str) -> None:
    simulator = shipped(ages, r_v=r_v, extinction=extinction)
    theta = drawn(300)
    theta[:20, 1] = np.linspace(0.0, EBV_MAX, 20)
    age = 10 ** (theta[:, 0] - 6)
    age = np.rint(age) if ages == "cigale" else age
    exact = simulator.integrate(age, theta[:, 1], np.full(300, r_v))
    np.testing.assert_allclose(simulator(theta), exact, rtol=1e-11)


@ages
@pytest.mark.parametrize("bounds", [(), WIDE])
def test_a_free_r_v_is_a_fixed_one(ages: str, bounds: tuple[Any, ...]) -> None:
    theta = drawn(100)
    free = shipped(ages, FREE_R_V, bounds=bounds)
    for r_v in (2.3, 4.4):
        both = np.column_stack([theta, np.full(100, r_v)])
        np.testing.assert_allclose(free(both), shipped(ages, r_v=r_v)(theta), rtol=1e-11)


@ages
def test_beyond_the_series_it_is_the_sum(ages: str) -> None:
    simulator = shipped(ages)
    theta = np.column_stack([np.full(4, 7.0), [EBV_MAX, np.nextafter(EBV_MAX, 3), 3.0, 6.0]])
    exact = simulator.integrate(np.full(4, 10.0), theta[:, 1], np.full(4, 3.1))
    np.testing.assert_allclose(simulator(theta), exact, rtol=1e-11)
    np.testing.assert_array_equal(simulator(theta[1:]), simulator(theta)[1:])


@ages
@free_or_fixed
def test_a_bad_row_is_nan_and_leaves_the_others_alone(
    ages: str, parameters: tuple[str, ...], bounds: tuple[Any, ...]
) -> None:
    simulator = shipped(ages, parameters, bounds=bounds)
    good = {"log_age": 7.5, "ebv": 0.3, "r_v": 3.1}
    bad: list[dict[str, float]] = []
    for value in (np.nan, np.inf, -np.inf):
        bad += [good | {name: value} for name in parameters]
    bad += [good | {"ebv": -1e-9}, good | {"log_age": 4.0}, good | {"log_age": 10.5}, good | {"log_age": 400.0}]
    if "r_v" in parameters:
        bad += [good | {"r_v": 0.0}, good | {"r_v": -3.1}]
    theta = np.repeat(drawn(len(bad) + 1), 2, axis=0)
    theta = np.array([[{"log_age": t, "ebv": e, "r_v": 3.1}[name] for name in parameters] for t, e in theta])
    alone = simulator(theta)
    assert np.isfinite(alone).all()
    mixed = theta.copy()
    mixed[1:-1:2] = [[row[name] for name in parameters] for row in bad]
    found = simulator(mixed)
    broken = np.zeros(len(mixed), bool)
    broken[1:-1:2] = True
    assert np.isnan(found[broken]).all()
    np.testing.assert_array_equal(found[~broken], alone[~broken])


@ages
def test_no_rows_give_no_fluxes(ages: str) -> None:
    assert shipped(ages)(np.empty((0, 2))).shape == (0, 5)


@ages
@free_or_fixed
def test_a_row_does_not_depend_on_the_order_of_rows_or_their_number(
    ages: str, parameters: tuple[str, ...], bounds: tuple[Any, ...]
) -> None:
    simulator = shipped(ages, parameters, bounds=bounds)
    n = 5000 if bounds or "r_v" not in parameters else 300  # more than a block of the polynomials
    theta = rows_of(parameters, n)
    order = np.random.default_rng(3).permutation(n)
    flux = simulator(theta)
    np.testing.assert_array_equal(simulator(theta[order]), flux[order])
    for i in range(0, n, n // 20):
        np.testing.assert_array_equal(simulator(theta[i : i + 1]), flux[i : i + 1])


@ages
@free_or_fixed
def test_threads_change_no_byte(
    ages: str, parameters: tuple[str, ...], bounds: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpcflow.model.threads.PIECE", 77)
    theta = rows_of(parameters, 500)
    theta[::9] = np.nan
    one, three = (shipped(ages, parameters, bounds=bounds, threads=threads) for threads in (1, 3))
    np.testing.assert_array_equal(three(theta), one(theta))
    assert three.reasons == one.reasons
    assert three.reasons.total() == 56


def test_columns_may_come_in_any_order() -> None:
    theta = drawn(50)
    np.testing.assert_array_equal(shipped(parameters=("ebv", "log_age"))(theta[:, ::-1]), shipped()(theta))


def test_fluxes_are_linear_in_age_between_the_ages_of_the_table() -> None:
    simulator, table = shipped(), load_ssp(shipped_tables()[0], 0.02)
    inside = np.flatnonzero(table.t_myr[:-1] >= 1.0)[::7]
    low, high = table.t_myr[inside], table.t_myr[inside + 1]

    def flux(age: np.ndarray) -> np.ndarray:
        return simulator(np.stack([6 + np.log10(age), np.full(len(age), 0.2)], axis=1))

    for share in (0.25, 0.5, 0.9):
        between = flux(low + share * (high - low))
        np.testing.assert_allclose(between, (1 - share) * flux(low) + share * flux(high), rtol=1e-9)


def test_continuous_ages_have_no_jumps() -> None:
    log_age = np.linspace(6.0, 10.1383, 20_001)
    flux = shipped()(np.stack([log_age, np.full(len(log_age), 0.1)], axis=1))
    assert np.abs(np.diff(np.log10(flux), axis=0)).max() < 5e-3


def test_the_age_n_of_cigale_is_the_mean_over_its_tenths() -> None:
    continuous, n = shipped(), np.array([2.0, 3.0, 7.0, 40.0, 1234.0])
    tenths = [continuous.integrate(n - k / 10, np.full(5, 0.4), np.full(5, 3.1)) for k in range(10)]
    found = shipped("cigale")(np.stack([6 + np.log10(n), np.full(5, 0.4)], axis=1))
    np.testing.assert_allclose(found, np.mean(tenths, axis=0), rtol=1e-10)


def test_other_ages_of_cigale_are_rounded_to_their_bin() -> None:
    simulator = shipped("cigale")
    age = np.array([1.0, 0.6, 1.4, 7.0, 6.6, 7.4])
    flux = simulator(np.stack([6 + np.log10(age), np.full(6, 0.4)], axis=1))
    np.testing.assert_array_equal(flux[[1, 2, 4, 5]], flux[[0, 0, 3, 3]])
    assert (flux[0] != flux[3]).all()


@ages
def test_dust_dims_and_reddens(ages: str) -> None:
    ebv = np.linspace(0, 3, 61)
    flux = shipped(ages)(np.stack([np.full(61, 8.0), ebv], axis=1))
    assert (np.diff(flux, axis=0) < 0).all()
    flux = flux[:31, 1:]  # F275W leaks red light, which is all that is left of it behind much dust
    assert (np.diff(np.log(flux[:, 1:] / flux[:, :-1]), axis=0) > 0).all()


def test_a_magnitude_of_ebv_is_r_v_magnitudes_in_v() -> None:
    # F555W is wide and near V: its extinction is R_V within a tenth for a star of A type colour.
    for r_v in (2.5, 3.1, 5.0):
        flux = shipped(r_v=r_v)(np.array([[8.5, 0.0], [8.5, 0.01]]))[:, 3]
        assert -2.5 * np.log10(flux[1] / flux[0]) / 0.01 == pytest.approx(r_v + 0.1, rel=0.05)


@pytest.mark.parametrize("parameters", [("log_age", "ebv", "metallicity"), ("age", "ebv"), ("log_mass", "log_age")])
def test_an_unknown_parameter_is_an_error_that_names_it(parameters: tuple[str, ...]) -> None:
    (unknown,) = set(parameters) - {"log_age", "ebv", "r_v"}
    with pytest.raises(InputError, match=rf"{unknown}; free ones: log_age, ebv, r_v"):
        shipped(parameters=parameters)


@pytest.mark.parametrize(
    ("parameters", "lacking"), [(("log_age",), "ebv"), (("ebv",), "log_age"), ((), "ebv, log_age")]
)
def test_a_parameter_without_a_value_is_an_error_that_names_it(parameters: tuple[str, ...], lacking: str) -> None:
    with pytest.raises(InputError, match=f"needs {lacking}"):
        shipped(parameters=parameters)


def test_a_parameter_may_be_fixed() -> None:
    simulator = build_ssp(
        ssp=shipped_tables()[0],
        bands={"V": "WFC3_UVIS.F555W", "I": "WFC3_UVIS.F814W"},
        parameters=("log_age",),
        fixed={"ebv": 0.25, "metallicity": 0.02, "r_v": 3.1},
        ages="continuous",
        extinction="odonnell94",
    )
    assert (simulator.parameters, simulator.bands) == (("log_age",), ("V", "I"))
    expected = shipped()(np.array([[7.0, 0.25], [9.0, 0.25]]))[:, 3:]
    np.testing.assert_allclose(simulator(np.array([[7.0], [9.0]])), expected, rtol=1e-12)


def test_it_says_what_it_computed_with() -> None:
    made = [
        build_ssp(
            ssp=shipped_tables()[0],
            bands={"V": "WFC3_UVIS.F555W", "I": curve},
            parameters=("log_age", "ebv"),
            fixed={"r_v": r_v, "metallicity": metallicity},
            ages="continuous",
            extinction=extinction,
        ).provenance
        for curve, r_v, metallicity, extinction in (
            ("WFC3_UVIS.F814W", 3.1, 0.02, "ccm89"),
            ("ACS_WFC.F814W", 3.1, 0.02, "ccm89"),
            ("WFC3_UVIS.F814W", 4.1, 0.02, "ccm89"),
            ("WFC3_UVIS.F814W", 3.1, 0.004, "ccm89"),
            ("WFC3_UVIS.F814W", 3.1, 0.02, "odonnell94"),
        )
    ]
    assert len({tuple(sorted(p.items())) for p in made}) == len(made)


@cache
def of_any_metallicity(ages: str, parameters: tuple[str, ...] = ("log_age", "ebv", "metallicity")) -> SspSimulator:
    curves = {band: load_curve(f"WFC3_UVIS.{band}") for band in BANDS}
    return SspSimulator(load_tables(shipped_tables()[0]), curves, parameters, {}, ages)  # type: ignore[arg-type]


@ages
@pytest.mark.parametrize("metallicity", [0.0001, 0.004, 0.02, 0.1])
def test_a_free_metallicity_is_a_fixed_one_where_there_is_a_table(ages: str, metallicity: float) -> None:
    theta = drawn(50)
    simulator = build_ssp(
        ssp=shipped_tables()[0],
        bands={band: f"WFC3_UVIS.{band}" for band in BANDS},
        parameters=("log_age", "ebv"),
        fixed={"metallicity": metallicity},
        ages=ages,  # type: ignore[arg-type]
        extinction="odonnell94",
    )
    both = np.column_stack([theta, np.full(50, metallicity)])
    np.testing.assert_allclose(of_any_metallicity(ages)(both), simulator(theta), rtol=1e-11)


@ages
def test_fluxes_are_linear_in_log_z_between_the_tables(ages: str) -> None:
    simulator, theta = of_any_metallicity(ages), drawn(30)

    def flux(z: float) -> np.ndarray:
        return simulator(np.column_stack([theta, np.full(30, z)]))

    for share in (0.3, 0.5):
        between = 0.008 ** (1 - share) * 0.02**share
        np.testing.assert_allclose(flux(between), (1 - share) * flux(0.008) + share * flux(0.02), rtol=1e-9)


@ages
def test_a_free_metallicity_is_the_sum_and_knows_its_bounds(ages: str) -> None:
    simulator = of_any_metallicity(ages)
    rng = np.random.default_rng(4)
    theta = np.column_stack([drawn(100), 10 ** rng.uniform(-4, -1, 100)])
    age = 10 ** (theta[:, 0] - 6)
    age = np.rint(age) if ages == "cigale" else age
    exact = simulator.integrate(age, theta[:, 1], np.full(100, 3.1), theta[:, 2])
    np.testing.assert_allclose(simulator(theta), exact, rtol=1e-11)
    free = of_any_metallicity(ages, ("r_v", "metallicity", "log_age", "ebv"))
    np.testing.assert_allclose(free(np.column_stack([np.full(100, 3.1), theta[:, 2], theta[:, :2]])), exact, rtol=1e-11)
    theta[:4, 2] = [0.0, -0.02, 0.10001, 0.00009]
    np.testing.assert_array_equal(np.isnan(simulator(theta)).all(axis=1), np.arange(100) < 4)
