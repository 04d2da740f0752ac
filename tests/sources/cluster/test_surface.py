from functools import cache
from typing import Any

import numpy as np
import pytest

from hpcflow.model.filters import load_curve, shipped_curves
from hpcflow.model.tables import load_tables, shipped_tables
from hpcflow.sources.cluster import surface
from hpcflow.sources.cluster.engine import Engine
from hpcflow.sources.cluster.series import EBV_MAX
from hpcflow.sources.cluster.ssp import SspSimulator
from hpcflow.sources.cluster.surface import R_V_LIMITS, Grid

LEAKY = ("WFC3_UVIS.F218W", "WFC3_UVIS.F225W")  # at much dust most of what they see is red light
CURVES = tuple(curve for curve in shipped_curves() if curve not in LEAKY)
PARAMETERS = ("log_age", "ebv", "r_v")
RANGES = [(2.0, 6.0), R_V_LIMITS, (3.05, 3.15)]
grids = pytest.mark.parametrize("grid", [Grid(e, low, high) for e in (0.07, 0.6, 1.5, 2.0) for low, high in RANGES])


@cache
def over(
    r_v: tuple[float, float] | None,
    ebv: tuple[float, float] = (0.0, 1.5),
    ages: str = "continuous",
    extinction: str = "odonnell94",
    parameters: tuple[str, ...] = PARAMETERS,
    curves: tuple[str, ...] = ("ACS_WFC.F435W", "WFC3_UVIS.F275W", "WFC3_UVIS.F438W", "WFC3_IR.F110W", "NIRCAM.F444W"),
) -> SspSimulator:
    """Return a simulator with the polynomials over a range of R_V, or without any."""
    tables = load_tables(shipped_tables()[0])
    return SspSimulator(
        tables if "metallicity" in parameters else [table for table in tables if table.metallicity == 0.02],
        {name: load_curve(name) for name in (curves if "metallicity" not in parameters else ["ACS_WFC.F814W"])},
        parameters,
        {},
        ages,  # type: ignore[arg-type]
        extinction,
        {"r_v": r_v, "ebv": ebv} if r_v else None,
    )


def drawn(n: int, r_v: tuple[float, float], ebv: tuple[float, float] = (0.0, 1.5)) -> np.ndarray:
    rng = np.random.default_rng(5)
    return np.stack([rng.uniform(6.0, 10.1383, n), rng.uniform(*ebv, n), rng.uniform(*r_v, n)], axis=1)


@grids
def test_a_place_in_a_cell_is_located_there(grid: Grid) -> None:
    x, y = np.random.default_rng(1).uniform(-0.999, 0.999, (2, 7))
    ebv, r_v = grid.screens(x, y)
    assert ebv.shape == (grid.size, 7)
    cell, found_x, found_y = grid.locate(ebv.ravel(), r_v.ravel())
    np.testing.assert_array_equal(cell.reshape(ebv.shape), np.repeat(np.arange(grid.size)[:, None], 7, axis=1))
    np.testing.assert_allclose(found_x.reshape(ebv.shape), np.broadcast_to(x, ebv.shape), atol=1e-9)
    np.testing.assert_allclose(found_y.reshape(ebv.shape), np.broadcast_to(y, ebv.shape), atol=1e-9)


@grids
def test_cells_leave_no_gap_and_include_the_edges(grid: Grid) -> None:
    ebv = np.append(np.linspace(0, grid.ebv_max, 301), np.nextafter(grid.ebv_max, 0))
    r_v = np.append(np.linspace(grid.low, grid.high, 301), np.nextafter(grid.high, 0))
    ebv, r_v = (axis.ravel() for axis in np.meshgrid(ebv, r_v))
    assert grid.covers(ebv, r_v).all()
    cell, x, y = grid.locate(ebv, r_v)
    assert set(cell) == set(range(grid.size))
    assert np.abs(x).max() <= 1 + 1e-9
    assert np.abs(y).max() <= 1 + 1e-9


@grids
def test_no_cell_is_wider_than_it_may_be(grid: Grid) -> None:
    ebv, r_v = grid.screens(np.array([-1.0, 1.0, 1.0]), np.array([-1.0, -1.0, 1.0]))
    assert (ebv[:, 2] - ebv[:, 0]).max() <= surface.WIDTH * (1 + 1e-9)
    assert (ebv[:, 2] * (r_v[:, 2] - r_v[:, 1])).max() <= surface.DEPTH * (1 + 1e-9)


@pytest.mark.parametrize("curves", [CURVES[i : i + 10] for i in range(0, len(CURVES), 10)], ids=lambda some: some[0])
def test_it_is_the_sum_in_every_band(curves: tuple[str, ...]) -> None:
    simulator, theta = over((2.0, 6.0), (0.0, EBV_MAX), curves=curves), drawn(400, (2.0, 6.0), (0.0, EBV_MAX))
    exact = simulator.integrate(10 ** (theta[:, 0] - 6), theta[:, 1], theta[:, 2])
    np.testing.assert_allclose(simulator(theta), exact, rtol=5e-11)


def test_it_is_the_sum_where_the_red_leak_is_strong() -> None:
    simulator, theta = over((2.0, 6.0), (0.0, EBV_MAX), curves=LEAKY), drawn(600, (2.0, 6.0), (0.0, EBV_MAX))
    exact = simulator.integrate(10 ** (theta[:, 0] - 6), theta[:, 1], theta[:, 2])
    np.testing.assert_allclose(simulator(theta), exact, rtol=2e-8)


@pytest.mark.parametrize("ages", ["continuous", "cigale"])
@pytest.mark.parametrize("extinction", ["odonnell94", "ccm89"])
@pytest.mark.parametrize("r_v", RANGES)
def test_it_is_the_sum(ages: str, extinction: str, r_v: tuple[float, float]) -> None:
    simulator = over(r_v, (0.0, EBV_MAX), ages, extinction)
    theta = drawn(600, r_v, (0.0, EBV_MAX))
    theta[:50, 1], theta[50:100, 1], theta[100:150, 2], theta[150:200, 2] = 0.0, EBV_MAX, *r_v
    age = 10 ** (theta[:, 0] - 6)
    exact = simulator.integrate(np.rint(age) if ages == "cigale" else age, theta[:, 1], theta[:, 2])
    np.testing.assert_allclose(simulator(theta), exact, rtol=5e-11)


def test_it_is_the_sum_for_any_metallicity() -> None:
    parameters = ("metallicity", *PARAMETERS)
    theta = np.column_stack([10 ** np.random.default_rng(2).uniform(-4, -1, 300), drawn(300, (2.0, 6.0))])
    simulator = over((2.0, 6.0), parameters=parameters)
    exact = simulator.integrate(10 ** (theta[:, 1] - 6), theta[:, 2], theta[:, 3], theta[:, 0])
    np.testing.assert_allclose(simulator(theta), exact, rtol=5e-11)


def test_inside_its_range_no_sum_is_taken_and_outside_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    summed: list[int] = []

    def count(self: Engine, index: Any, weight: Any, ebv: np.ndarray, r_v: Any) -> np.ndarray:
        summed.append(len(ebv))
        return np.zeros((len(ebv), 5))

    simulator, inside = over((2.0, 6.0)), drawn(200, (2.0, 6.0))
    outside = inside.copy()
    outside[:100, 1], outside[100:150, 2], outside[150:, 2] = 1.51, 1.9, 6.1
    monkeypatch.setattr(Engine, "_sum", count)
    simulator(inside)
    assert summed == []
    simulator(outside)
    assert sum(summed) == 200


@pytest.mark.parametrize("r_v", [(2.0, 6.0), (0.2, 30.0)])
def test_outside_its_range_it_is_the_sum_to_the_byte(r_v: tuple[float, float]) -> None:
    theta = np.array([[7.0, 0.3, 0.9], [7.0, 0.3, 8.1], [7.0, 1.6, 3.1], [9.0, 4.0, 9.0]])
    np.testing.assert_array_equal(over(r_v)(theta), over(None)(theta))


def test_a_table_that_would_be_too_large_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surface, "MOST_BYTES", 1000)
    simulator = over.__wrapped__((2.0, 6.0))
    theta = drawn(50, (2.0, 6.0))
    np.testing.assert_array_equal(simulator(theta), over(None)(theta))


@pytest.mark.parametrize(("ebv", "r_v"), [(0.0, (2.0, 6.0)), (1.5, (0.2, 0.8)), (1.5, (9.0, 12.0)), (1.5, (3.0, 3.0))])
def test_an_empty_range_makes_no_table(ebv: float, r_v: tuple[float, float]) -> None:
    assert surface.tabulate([], ebv, r_v) is None
