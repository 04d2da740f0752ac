"""The ssp simulator on torch tensors: the laws it has on numpy arrays, and their numbers."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from hpcflow.model import arrays
from hpcflow.model.filters import load_curve
from hpcflow.model.tables import load_tables, shipped_tables
from hpcflow.sources.cluster import ssp
from hpcflow.sources.cluster.gas_table import load_gas
from hpcflow.sources.cluster.series import EBV_MAX
from hpcflow.sources.cluster.ssp import SspSimulator

BANDS = ("F275W", "F438W", "F814W")
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
KINDS: dict[str, tuple[tuple[str, ...], dict[str, tuple[float, float]]]] = {
    "fixed R_V": (("log_age", "ebv"), {}),
    "free R_V by the sum": (("log_age", "ebv", "r_v"), {}),
    "free R_V by polynomials": (("r_v", "log_age", "ebv"), {"r_v": (2.0, 6.0), "ebv": (0.0, 1.5)}),
    "free metallicity": (("log_age", "ebv", "metallicity"), {}),
    "gas": (("log_age", "ebv", "covering_factor"), {}),
    "gas of any kind": (
        ("log_u", "log_age", "covering_factor", "r_v", "ebv", "metallicity"),
        {"r_v": (2.0, 6.0), "ebv": (0.0, 1.5)},
    ),
}
pytestmark = pytest.mark.parametrize("device", DEVICES)
kinds = pytest.mark.parametrize("kind", KINDS)
ages = pytest.mark.parametrize("ages", ["continuous", "cigale"])


@cache
def simulator(kind: str, ages: str = "continuous") -> SspSimulator:
    parameters, bounds = KINDS[kind]
    tables = load_tables(shipped_tables()[0])
    curves = {band: load_curve(f"WFC3_UVIS.{band}") for band in BANDS}
    some = tables if "metallicity" in parameters else tables[4:5]
    gas = load_gas() if "covering_factor" in parameters else None
    return SspSimulator(some, curves, parameters, {}, ages, "odonnell94", bounds, gas=gas)  # type: ignore[arg-type]


def drawn(kind: str, n: int = 400) -> np.ndarray:
    rng = np.random.default_rng(6)
    columns = {
        "log_age": rng.uniform(6.0, 10.1383, n),
        "ebv": rng.uniform(0.0, 1.5, n),
        "r_v": rng.uniform(2.0, 6.0, n),
        "metallicity": 10 ** rng.uniform(-4.0, -1.0, n),
        "covering_factor": rng.uniform(0.0, 1.0, n),
        "log_u": rng.uniform(-4.0, -1.0, n),
    }
    columns["ebv"][:20] = np.linspace(0.0, 2 * EBV_MAX, 20)  # beyond the polynomials, too
    return np.stack([columns[name] for name in KINDS[kind][0]], axis=1)


@ages
@kinds
def test_fluxes_are_those_of_numpy(kind: str, ages: str, device: str) -> None:
    theta = drawn(kind)
    flux = simulator(kind, ages)(torch.tensor(theta, device=device))
    assert (flux.dtype, flux.device.type, flux.shape) == (torch.float64, device, (len(theta), len(BANDS)))
    np.testing.assert_allclose(flux.cpu().numpy(), simulator(kind, ages)(theta), rtol=1e-12)


@kinds
def test_float32_is_computed_in_float64(kind: str, device: str) -> None:
    theta = drawn(kind).astype(np.float32)
    flux = simulator(kind)(torch.tensor(theta, device=device))
    assert flux.dtype == torch.float64
    np.testing.assert_allclose(flux.cpu().numpy(), simulator(kind)(theta), rtol=1e-12)


@ages
@kinds
def test_rows_that_fail_are_the_same(kind: str, ages: str, device: str) -> None:
    theta = drawn(kind)
    for i, bad in enumerate((np.nan, np.inf, -np.inf, -1.0, 400.0)):
        for column in range(theta.shape[1]):
            theta[50 + 10 * i + column, column] = bad
    expected = simulator(kind, ages)(theta)
    reasons = simulator(kind, ages).reasons
    flux = simulator(kind, ages)(torch.tensor(theta, device=device)).cpu().numpy()
    assert 3 * theta.shape[1] < np.isnan(expected).all(axis=1).sum() <= 5 * theta.shape[1]
    np.testing.assert_array_equal(np.isnan(flux), np.isnan(expected))
    assert simulator(kind, ages).reasons == reasons


@kinds
def test_blocks_change_nothing_that_matters(kind: str, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    theta = torch.tensor(drawn(kind, 5000), device=device)
    whole = simulator(kind)(theta)
    for module in ("series", "surface", "engine"):
        monkeypatch.setattr(f"hpcflow.sources.cluster.{module}.BLOCK", 77)
    torch.testing.assert_close(simulator(kind)(theta), whole, rtol=1e-13, atol=0)


@kinds
def test_no_rows_are_no_fluxes(kind: str, device: str) -> None:
    theta = torch.empty((0, len(KINDS[kind][0])), device=device)
    assert simulator(kind)(theta).shape == (0, len(BANDS))


def test_tables_are_moved_once(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[Any] = []

    def count(thing: Any, move: Any) -> Any:
        times.append(thing)
        return arrays.moved(thing, move)

    monkeypatch.setattr(ssp, "moved", count)
    fresh, theta = simulator.__wrapped__("fixed R_V"), torch.tensor(drawn("fixed R_V"), device=device)
    first = fresh(theta)
    np.testing.assert_array_equal(fresh(theta).cpu().numpy(), first.cpu().numpy())
    fresh(theta.to(torch.float32))
    fresh(theta.cpu().numpy())
    assert len(times) == 1
