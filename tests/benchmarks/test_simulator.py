"""How fast simulating is, as ratios taken in one run, in processor time: the machine may be shared."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hpcflow.config.load import load_config
from hpcflow.model.simulator import Simulator
from hpcflow.sources.cluster.simulators import build_cigale, build_ssp, build_stochastic
from hpcflow.stages.build import build_simulator
from hpcflow.stages.run import Run
from hpcflow.stages.simulate import draw, open_or_create, simulate_partition
from printed import table

CURVES = ("F275W", "F336W", "F438W", "F555W", "F814W")
PYTHON = os.environ.get("HPCFLOW_CIGALE_PYTHON", "")
STARS = os.environ.get("HPCFLOW_CIGALE_STARS", "bc03")
pytestmark = pytest.mark.benchmark


def rate(function: Callable[[], object], rows: int, repeats: int = 7) -> float:
    """Return the rows per processor second of the turn that others disturbed the least."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return rows / min(times)


def engine(
    parameters: tuple[str, ...] = ("log_age", "ebv"),
    ages: str = "continuous",
    bounds: dict[str, tuple[float, float]] | None = None,
    threads: int = 1,
) -> Any:
    return build_ssp(
        ssp="bc03_miles_kroupa",
        bands={band: f"WFC3_UVIS.{band}" for band in CURVES},
        parameters=parameters,
        fixed={},
        ages=ages,  # type: ignore[arg-type]
        extinction="odonnell94",
        bounds=bounds,
        threads=threads,
    )


def drawn(n: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([rng.uniform(6, 10.13, n), rng.uniform(0, 1.5, n), rng.uniform(0.001, 0.05, n)], axis=1)


def test_series_against_the_sum(capsys: pytest.CaptureFixture[str]) -> None:
    """Rates of what is tabulated, as times that of the sum over wavelengths for the same parameters."""
    with_metallicity, with_r_v = drawn(100_000), drawn(100_000)
    with_r_v[:, 2] = np.random.default_rng(1).uniform(2, 6, len(with_r_v))
    few, two, three = 10_000, ("log_age", "ebv"), ("log_age", "ebv", "r_v")
    bounds = {"ebv": (0.0, 1.5), "r_v": (2.0, 6.0)}
    age, ebv = 10 ** (with_metallicity[:few, 0] - 6), with_metallicity[:few, 1]
    simulator, by_the_sum, free = engine(), engine(three), engine(three, bounds=bounds)
    slow = rate(lambda: simulator.integrate(age, ebv, np.full(few, 3.1)), few)
    slow_free = rate(lambda: by_the_sum(with_r_v[:few]), few)
    rows = [["sum over wavelengths", f"{slow:,.0f}", 1], ["sum, R_V free, in blocks of rows", f"{slow_free:,.0f}", 1]]
    for name, made, theta, of in (
        ("polynomials, continuous ages", simulator, with_metallicity[:, :2], slow),
        ("polynomials, CIGALE's ages", engine(ages="cigale"), with_metallicity[:, :2], slow),
        ("polynomials, free metallicity", engine((*two, "metallicity")), with_metallicity, slow),
        ("polynomials, free R_V", free, with_r_v, slow_free),
        ("polynomials, free R_V, CIGALE's ages", engine(three, "cigale", bounds), with_r_v, slow_free),
        ("polynomials, continuous ages, torch", simulator, torch.from_numpy(with_metallicity[:, :2].copy()), slow),
        ("polynomials, free R_V, torch", free, torch.from_numpy(with_r_v), slow_free),
    ):
        fast = rate(lambda made=made, theta=theta: made(theta), len(theta))
        rows.append([name, f"{fast:,.0f}", f"{fast / of:.0f}"])
    with capsys.disabled():
        print("\n" + table(["", "rows/s and core", "times the sum"], rows))
    exact = simulator.integrate(age, ebv, np.full(few, 3.1))
    np.testing.assert_allclose(simulator(with_metallicity[:few, :2]), exact, 1e-11)
    np.testing.assert_allclose(free(with_r_v[:few]), by_the_sum(with_r_v[:few]), 1e-10)


def test_few_stars_against_the_mean_of_many(capsys: pytest.CaptureFixture[str]) -> None:
    """Rates of the simulator `stochastic` by the mass of its clusters, next to that of `ssp`."""
    n = 50_000
    theta = np.insert(drawn(n)[:, :2], 1, 0.0, axis=1)
    theta = np.column_stack([theta, np.random.default_rng(2).random(n)])
    names = ("log_age", "log_mass", "ebv", "realisation")
    settings: dict[str, Any] = {
        "ssp": "bc03_miles_kroupa",
        "fixed": {},
        "ages": "continuous",
        "extinction": "odonnell94",
    }
    bands = {band: f"WFC3_UVIS.{band}" for band in CURVES}
    stars, mean = build_stochastic(isochrones="sse", bands=bands, parameters=names, **settings), engine()
    of_ssp = rate(lambda: mean(theta[:, [0, 2]]), n)
    rows = [["ssp", f"{of_ssp:,.0f}", "1"]]
    for log_mass in (3, 4, 5, 6):
        theta[:, 1] = log_mass
        found = rate(lambda: stars(theta), n)
        rows.append([f"stochastic, 10^{log_mass} solar masses", f"{found:,.0f}", f"1/{of_ssp / found:.0f}"])
        assert np.isfinite(stars(theta)).all()
    with capsys.disabled():
        print("\n" + table(["", "clusters/s and core", "times ssp"], rows))


def test_gas_against_stars_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Rates with gas, over all ages and over those at which there is some, next to those of the same stars alone."""
    n, rng = 100_000, np.random.default_rng(4)
    columns = {
        "log_age": rng.uniform(6, 10.13, n),
        "ebv": rng.uniform(0, 1.5, n),
        "r_v": rng.uniform(2, 6, n),
        "metallicity": rng.uniform(0.001, 0.05, n),
        "covering_factor": rng.uniform(0, 1, n),
        "log_u": rng.uniform(-4, -1, n),
    }
    stars, bounds = list(columns)[:4], {"ebv": (0.0, 1.5), "r_v": (2.0, 6.0)}
    rows = []
    for alone in (stars[:2], stars[:3], stars):
        cells: list[str] = []
        for names in (alone, [*alone, "covering_factor"], [*alone, "covering_factor", "log_u"]):
            simulator = engine(tuple(names), bounds=bounds)
            theta = np.stack([columns[name] for name in names], axis=1)
            young = theta[theta[:, 0] < 7.4].copy()
            found = [rate(lambda made=simulator, some=some: made(some), len(some)) for some in (theta, young)]
            cells.append(", ".join(f"{value:,.0f}" for value in found))
            assert np.isfinite(simulator(theta)).all()
        rows.append([", ".join(alone), *cells])
    with capsys.disabled():
        print("\n" + table(["rows/s and core: all ages, below 25 Myr", "stars", "covering_factor", "and log_u"], rows))


@pytest.mark.parametrize("bounds", [None, {"ebv": (0.0, 1.5), "r_v": (2.0, 6.0)}], ids=["fixed R_V", "free R_V"])
def test_threads(capsys: pytest.CaptureFixture[str], bounds: dict[str, tuple[float, float]] | None) -> None:
    theta = drawn(1_000_000)
    theta[:, 2] = np.random.default_rng(1).uniform(2, 6, len(theta))
    names = ("log_age", "ebv", "r_v")[: 3 if bounds else 2]
    theta = theta[:, : len(names)].copy()
    rates = {n: wall(engine(names, bounds=bounds, threads=n), theta) for n in (1, 2, 4)}
    with capsys.disabled():
        rows = [[n, f"{found:,.0f}", f"{found / rates[1]:.2f}"] for n, found in rates.items()]
        print("\n" + table(["threads", "rows/s by the clock", "times one"], rows))
    one, two = (engine(names, bounds=bounds, threads=n)(theta) for n in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_the_whole_stage_against_its_parts(
    capsys: pytest.CaptureFixture[str], tiny: Callable[..., Path], tmp_path: Path
) -> None:
    size = 100_000
    config = load_config(tiny(simulate={"n": 10 * size, "partition": size, "seed": 3}))
    run, simulator = Run(tmp_path / "run"), build_simulator(config)
    run.begin("simulate", config)
    store = open_or_create(config, run, simulator.provenance)
    first = store.partitions[0]
    theta = draw(config, first)
    flux = simulator(theta)
    simulate_partition(str(run.path), first)
    stage = rate(lambda: simulate_partition(str(run.path), first), size)
    parts: dict[str, Callable[[], object]] = {
        "drawing": lambda: draw(config, first),
        "simulating": lambda: simulator(theta),
        "writing": lambda: store.write(first, theta, flux),
    }
    shares = [f"{100 * stage / rate(part, size):.0f} %" for part in parts.values()]
    with capsys.disabled():
        print("\n" + table(["the whole stage, rows/s and core", *parts], [[f"{stage:,.0f}", *shares]]))
    assert store.read(first)[0].shape == (size, 2)


@pytest.mark.cigale
@pytest.mark.skipif(not PYTHON, reason="HPCFLOW_CIGALE_PYTHON names no interpreter")
def test_cigale_sorted_and_unsorted_and_the_ssp_engine(capsys: pytest.CaptureFixture[str]) -> None:
    cigale = real_cigale()
    theta = drawn(400)[:, :2]
    # The time is that of another process, so a clock on the wall: run it on a quiet machine.
    results = {}
    for name, rows in (("one age", 1), ("20 ages", 20), ("every row another age", 400)):
        sample = theta.copy()
        sample[:, 0] = np.repeat(theta[:rows, 0], 400 // rows)
        results[name] = wall(cigale, sample)
        if rows == 20:
            one_by_one = sample[np.random.default_rng(1).permutation(400)]
            results["20 ages, unsorted"] = wall(lambda t: [cigale(t[i : i + 1]) for i in range(400)], one_by_one)
    fast = wall(engine(), np.tile(theta, (250, 1)))
    rows = [[name, f"{found:,.0f}", f"{fast / found:,.0f}"] for name, found in results.items()]
    with capsys.disabled():
        print("\n" + table(["CIGALE", "rows/s", "the ssp engine, times as fast"], rows))
    assert results["20 ages"] > results["20 ages, unsorted"]


def wall(simulator: Callable[[np.ndarray], object], theta: np.ndarray) -> float:
    simulator(theta[:1])
    start = time.perf_counter()
    simulator(theta)
    return len(theta) / (time.perf_counter() - start)


def real_cigale() -> Simulator:
    section: dict[str, Any] = {
        "modules": ["sfh2exp", STARS, "dustext", "redshifting"],
        "fixed": {
            "sfh2exp": {"tau_main": 0.001, "tau_burst": 0.001, "f_burst": 0.0, "burst_age": 1, "normalise": True},
            STARS: {"imf": 1},
            "redshifting": {"redshift": 0.0},
        },
        "parameters": {"log_age": "sfh2exp.age", "ebv": "dustext.E_BV", "metallicity": f"{STARS}.metallicity"},
        "filters": {band: f"hst.wfc3.{band}" for band in CURVES},
    }
    return build_cigale(
        bands=dict.fromkeys(CURVES, ""),
        parameters=("log_age", "ebv"),
        fixed={"metallicity": 0.02},
        cigale=section,
        python=PYTHON,
    )
