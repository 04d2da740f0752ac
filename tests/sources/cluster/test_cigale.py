"""The `cigale` simulator against a stand-in that honours pcigale's calls and traps."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcflow.base.errors import InputError
from hpcflow.sources.cluster.cigale import CigaleSimulator
from hpcflow.sources.cluster.simulators import build_cigale, build_ssp

BANDS = ("U", "V", "I")
Make = Callable[..., CigaleSimulator]


@pytest.fixture
def make(fake_cigale: dict[str, Any]) -> Make:
    def build(columns: tuple[str, ...] = ("log_age", "ebv"), fixed: Any = None, chain: Any = None) -> Any:
        values = {"r_v": 3.1, "metallicity": 0.02} if fixed is None else fixed
        bands = dict.fromkeys(BANDS, "a curve that CIGALE has by another name")
        return build_cigale(bands=bands, parameters=columns, fixed=values, cigale=fake_cigale | (chain or {}))

    return build


def drawn(n: int, low: float = 6.0, high: float = 10.1) -> np.ndarray:
    rng = np.random.default_rng(5)
    return np.stack([rng.uniform(low, high, n), rng.uniform(0.0, 1.5, n)], axis=1)


def test_it_equals_the_ssp_engine_on_the_same_spectra_and_filters(make: Make, tmp_path: Path) -> None:
    simulator = make(("log_age", "ebv", "r_v"), {"metallicity": 0.02})
    from pcigale.spectra import AGES, FILTERS, WAVELENGTHS, table  # type: ignore[import-not-found]

    np.savez(tmp_path / "ssp.npz", t_myr=AGES, wl_nm=WAVELENGTHS, spec=table(0.02))
    curves = {}
    for band in BANDS:
        wl, curve = FILTERS[f"fake.{band}"]
        curves[band] = str(tmp_path / f"{band}.txt")
        np.savetxt(curves[band], np.stack([wl * 10, curve], axis=1))
    engine = build_ssp(
        ssp=str(tmp_path / "ssp.npz"),
        bands=curves,
        parameters=("log_age", "ebv", "r_v"),
        fixed={"metallicity": 0.02},
        ages="cigale",
        extinction="odonnell94",
    )
    theta = np.column_stack([drawn(60), np.random.default_rng(1).uniform(2, 5, 60)])
    np.testing.assert_allclose(simulator(theta), engine(theta), rtol=1e-10)


def test_importing_it_leaves_the_process_as_it_was(make: Make) -> None:
    environment, errors, hook = dict(os.environ), np.geterr(), sys.excepthook
    make()
    assert "pcigale" in sys.modules
    assert (dict(os.environ), np.geterr(), sys.excepthook) == (environment, errors, hook)


def test_a_tables_module_is_loaded_once(make: Make) -> None:
    simulator = make()
    from pcigale.sed_modules.bc03 import LOADED  # type: ignore[import-not-found]

    LOADED.clear()
    simulator(drawn(600, high=9.0))
    assert LOADED == []  # it was there from the probe


def test_rows_of_one_age_come_one_after_the_other(make: Make) -> None:
    simulator = make()
    from pcigale.sed_modules.sfh2exp import Module  # type: ignore[import-not-found]

    made: list[int] = []
    counted = Module._init_code
    Module._init_code = lambda self: (made.append(self.parameters["age"]), counted(self))  # type: ignore[func-returns-value]
    theta = drawn(300, 6.0, 7.0)
    simulator(theta)
    assert len(made) == len(set(made)) == len(np.unique(np.rint(10 ** (theta[:, 0] - 6)))) == 10


def test_the_caches_stay_small(make: Make) -> None:
    simulator: Any = make(("log_age", "ebv"))
    simulator(drawn(2000, 6.0, 8.0))
    warehouse = simulator.warehouse
    assert len(warehouse.module_cache) < 20
    assert len(warehouse.sed_cache) == 4


def test_a_version_without_nocache_is_pruned(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make()
    import pcigale.warehouse as real  # type: ignore[import-not-found]

    cleared: list[int] = []

    class Older(real.SedWarehouse):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()

        def partial_clear_cache(self, shared: int) -> None:
            cleared.append(shared)

    monkeypatch.setattr(real, "SedWarehouse", Older)
    simulator: Any = make()
    theta = drawn(1000, 6.0, 7.0)
    flux = simulator(theta)
    assert len(simulator.warehouse.module_cache) < 300  # not one for each of the 1000 screens
    assert set(cleared) == {0, 2}  # another age, or another screen before the same stars
    np.testing.assert_array_equal(flux, make()(theta))


def test_the_first_and_the_last_age_are_inside(make: Make) -> None:
    simulator = make()
    ages = np.array([0.49, 0.5001, 1.0, 1.4999, 13_750.4, 13_750.6])
    flux = simulator(np.stack([np.log10(ages) + 6, np.zeros(6)], axis=1))
    np.testing.assert_array_equal(np.isfinite(flux).all(axis=1), [False, True, True, True, True, False])
    assert simulator.reasons == {"log_age is out of range": 2}
    np.testing.assert_array_equal(flux[1], flux[3])  # one bin of 1 Myr


def test_an_exception_of_cigale_is_the_rows_own(make: Make, fake_cigale: dict[str, Any]) -> None:
    routes = fake_cigale["parameters"] | {"dose": "poison.dose"}
    modules = ["sfh2exp", "bc03", "dustext", "poison"]
    simulator = make(("log_age", "ebv", "dose"), {}, {"modules": modules, "parameters": routes})
    flux = simulator(np.array([[7.0, 0.1, 0.5], [7.0, 0.1, 1.5], [8.0, 0.1, 0.0]]))
    np.testing.assert_array_equal(np.isnan(flux).any(axis=1), [False, True, False])
    assert simulator.reasons == {"ValueError: too strong a dose": 1}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"modules": ["sfh2exp", "bc2099", "dustext"]}, "no module bc2099"),
        ({"fixed": {"bc03": {"colour": 1}}}, "bc03 has no parameter colour; it has imf, metallicity"),
        ({"fixed": {"m2005": {"imf": 1}}}, "fixed names m2005"),
        ({"fixed": {"sfh2exp": {"normalise": False}}}, "normalise"),
        ({"filters": {"U": "fake.U", "V": "fake.V", "I": "fake.Z"}}, "KeyError: 'fake.Z'"),
        ({"filters": {"U": "fake.U"}}, "filters lacks V, I"),
    ],
)
def test_a_chain_that_cigale_does_not_have_is_an_input_error(make: Make, wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        make(chain=wrong)


@pytest.mark.parametrize("to", ["m2005.metallicity", "metallicity", "bc03.colour"])
def test_a_route_to_nowhere_is_an_input_error(make: Make, fake_cigale: dict[str, Any], to: str) -> None:
    with pytest.raises(InputError, match=r"parameters\.metallicity"):
        make(chain={"parameters": fake_cigale["parameters"] | {"metallicity": to}})


def test_without_pcigale_it_says_what_to_do() -> None:
    with pytest.raises(InputError, match=r"pcigale.*simulate\.python"):
        CigaleSimulator(modules=["bc03"], filters={"U": "x"}, parameters=(), fixed={}, routes={}, settings={})


def test_nothing_of_it_is_imported_before_it_is_needed() -> None:
    code = "import sys, hpcflow.model.simulator; assert not {'pcigale', 'scipy', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
