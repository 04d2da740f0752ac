"""The engine's series against the sum over wavelengths that it stands for: a ratio, taken in one run."""

import time
from collections.abc import Callable

import numpy as np
import pytest

from hpcflow.model.simulator import build_ssp

CURVES = ("F275W", "F336W", "F438W", "F555W", "F814W")


def rate(function: Callable[[], object], rows: int, repeats: int = 5) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return rows / float(np.median(times))


@pytest.mark.benchmark
def test_series_against_direct_sum(capsys: pytest.CaptureFixture[str]) -> None:
    simulator = build_ssp(
        ssp="bc03_miles_kroupa",
        bands={band: f"WFC3_UVIS.{band}" for band in CURVES},
        parameters=("log_age", "ebv"),
        fixed={},
        ages="continuous",
        extinction="odonnell94",
    )
    rng = np.random.default_rng(0)
    theta = np.stack([rng.uniform(6, 10.1383, 100_000), rng.uniform(0, 1.5, 100_000)], axis=1)
    age, ebv = 10 ** (theta[:10_000, 0] - 6), theta[:10_000, 1]
    fast = rate(lambda: simulator(theta), len(theta))
    slow = rate(lambda: simulator.integrate(age, ebv, np.full(len(age), 3.1)), len(age))
    with capsys.disabled():
        print(f"\nseries {fast:,.0f} rows/s, direct sum {slow:,.0f} rows/s, ratio {fast / slow:.1f}")
    np.testing.assert_allclose(simulator(theta[:10_000]), simulator.integrate(age, ebv, np.full(len(age), 3.1)), 1e-11)
