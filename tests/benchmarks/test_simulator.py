"""How fast simulating is, as ratios taken in one run, in processor time: the machine may be shared."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcflow.config.load import load_config
from hpcflow.model.simulator import Simulator
from hpcflow.sources.cluster.simulators import build_cigale, build_ssp
from hpcflow.stages.build import build_simulator
from hpcflow.stages.run import Run
from hpcflow.stages.simulate import draw, open_or_create, simulate_partition

CURVES = ("F275W", "F336W", "F438W", "F555W", "F814W")
PYTHON = os.environ.get("HPCFLOW_CIGALE_PYTHON", "")
STARS = os.environ.get("HPCFLOW_CIGALE_STARS", "bc03")
pytestmark = pytest.mark.benchmark


def rate(function: Callable[[], object], rows: int, repeats: int = 5) -> float:
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return rows / float(np.median(times))


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


def test_series_against_direct_sum(capsys: pytest.CaptureFixture[str]) -> None:
    theta = drawn(100_000)
    age, ebv = 10 ** (theta[:10_000, 0] - 6), theta[:10_000, 1]
    simulator = engine()
    slow = rate(lambda: simulator.integrate(age, ebv, np.full(len(age), 3.1)), len(age))
    with capsys.disabled():
        print(f"\ndirect sum {slow:,.0f} rows/s and core")
        for name, kind, columns in (
            ("series, continuous ages", engine(), 2),
            ("series, CIGALE's ages", engine(ages="cigale"), 2),
            ("series, free metallicity", engine(("log_age", "ebv", "metallicity")), 3),
        ):
            fast = rate(lambda kind=kind, columns=columns: kind(theta[:, :columns]), len(theta))
            print(f"{name} {fast:,.0f} rows/s and core, {fast / slow:.0f} times the sum")
    exact = simulator.integrate(age, ebv, np.full(len(age), 3.1))
    np.testing.assert_allclose(simulator(theta[:10_000, :2]), exact, 1e-11)


def test_free_r_v_against_direct_sum_and_fixed_r_v(capsys: pytest.CaptureFixture[str]) -> None:
    theta, bounds = drawn(100_000), {"ebv": (0.0, 1.5), "r_v": (2.0, 6.0)}
    theta[:, 2] = np.random.default_rng(1).uniform(2, 6, len(theta))
    few, names = theta[:10_000], ("log_age", "ebv", "r_v")
    by_the_sum, fixed = engine(names), engine()
    slow = rate(lambda: by_the_sum(few), len(few))
    fixed_rate = rate(lambda: fixed(theta[:, :2]), len(theta))
    with capsys.disabled():
        print(f"\ndirect sum {slow:,.0f} rows/s and core, series of a fixed R_V {fixed_rate:,.0f}")
        for ages in ("continuous", "cigale"):
            start = time.process_time()
            free = engine(names, ages, bounds)
            built = time.process_time() - start
            fast = rate(lambda free=free: free(theta), len(theta))
            print(
                f"free R_V, {ages} ages {fast:,.0f} rows/s and core, {fast / slow:.0f} times the sum, "
                f"{fast / fixed_rate:.2f} of a fixed R_V; built in {built:.1f} s"
            )
    np.testing.assert_allclose(engine(names, bounds=bounds)(few), by_the_sum(few), 1e-10)


@pytest.mark.parametrize("bounds", [None, {"ebv": (0.0, 1.5), "r_v": (2.0, 6.0)}], ids=["fixed R_V", "free R_V"])
def test_threads(capsys: pytest.CaptureFixture[str], bounds: dict[str, tuple[float, float]] | None) -> None:
    theta = drawn(1_000_000)
    theta[:, 2] = np.random.default_rng(1).uniform(2, 6, len(theta))
    names = ("log_age", "ebv", "r_v")[: 3 if bounds else 2]
    theta = theta[:, : len(names)].copy()
    rates = {n: wall(engine(names, bounds=bounds, threads=n), theta) for n in (1, 2, 4)}
    with capsys.disabled():
        print()
        for n, found in rates.items():
            print(f"{n} threads: {found:,.0f} rows/s by the clock, {found / rates[1]:.2f} times one")
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
    with capsys.disabled():
        print(f"\nthe whole stage {stage:,.0f} rows/s and core, of which")
        for name, part in (
            ("drawing", lambda: draw(config, first)),
            ("simulating", lambda: simulator(theta)),
            ("writing", lambda: store.write(first, theta, flux)),
        ):
            print(f"  {name} takes {stage / rate(part, size):.0%}")
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
    with capsys.disabled():
        print()
        for name, found in results.items():
            print(f"CIGALE, {name}: {found:,.0f} rows/s; the ssp engine is {fast / found:,.0f} times as fast")
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
