"""A real pcigale, in its own environment, against the `ssp` engine on the tables and filters that it has.

    HPCFLOW_CIGALE_PYTHON=.../bin/python pytest -m cigale

Versions differ in what they have (BC03 is not in every mirror) and in two conventions, so both of each are tried:
the age n is the mean over n-0.9 .. n Myr (2018 and later) or n itself (0.9), and a filter curve counts photons
(2018 and later) or energy (0.9, which also puts the mean wavelength where the pivot belongs).
"""

import os
import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcflow.model.filters import Curve
from hpcflow.model.tables import load_ssp
from hpcflow.sources.cluster import chain
from hpcflow.sources.cluster.simulators import build_cigale
from hpcflow.sources.cluster.ssp import SspSimulator
from hpcflow.sources.elsewhere import SimulatorElsewhere

PYTHON = os.environ.get("HPCFLOW_CIGALE_PYTHON", "")
STARS = os.environ.get("HPCFLOW_CIGALE_STARS", "bc03")
BANDS = ("F275W", "F336W", "F438W", "F555W", "F814W")
EXPORT = Path(chain.__file__).parents[2] / "data" / "export_cigale.py"
pytestmark = [pytest.mark.cigale, pytest.mark.skipif(not PYTHON, reason="HPCFLOW_CIGALE_PYTHON names no interpreter")]


def built(parameters: tuple[str, ...] = ("log_age", "ebv"), **fixed: float) -> SimulatorElsewhere:
    section: dict[str, Any] = {
        "modules": ["sfh2exp", STARS, "dustext", "redshifting"],
        "fixed": {
            "sfh2exp": {"tau_main": 0.001, "tau_burst": 0.001, "f_burst": 0.0, "burst_age": 1, "normalise": True},
            STARS: {"imf": 1},
            "redshifting": {"redshift": 0.0},
        },
        "parameters": {
            "log_age": "sfh2exp.age",
            "ebv": "dustext.E_BV",
            "r_v": "dustext.Rv",
            "metallicity": f"{STARS}.metallicity",
        },
        "filters": {band: f"hst.wfc3.{band}" for band in BANDS},
    }
    values = {"metallicity": 0.02} | fixed
    made = build_cigale(
        bands=dict.fromkeys(BANDS, ""), parameters=parameters, fixed=values, cigale=section, python=PYTHON
    )
    assert isinstance(made, SimulatorElsewhere)
    return made


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tables")
    names = [f"hst.wfc3.{band}" for band in BANDS]
    subprocess.run([PYTHON, str(EXPORT), str(out), "--ssp", STARS, "--filters", *names], check=True)
    return out


def drawn(n: int) -> np.ndarray:
    rng = np.random.default_rng(8)
    return np.stack([rng.uniform(6.0, 10.13, n), rng.uniform(0.0, 1.5, n), rng.uniform(2.0, 5.0, n)], axis=1)


@pytest.mark.parametrize("metallicity", [0.02, 0.04 if STARS == "m2005" else 0.004])
def test_it_agrees_with_the_ssp_engine(tables: Path, metallicity: float, capsys: pytest.CaptureFixture[str]) -> None:
    theta = drawn(200)
    theta[:, 0] = np.log10(np.rint(10 ** (theta[:, 0] - 6))) + 6
    parameters = ("log_age", "ebv", "r_v")
    real = built(parameters, metallicity=metallicity)
    flux = real(theta)
    real.close()
    assert not real.reasons
    table = load_ssp(str(tables / f"{STARS}.npz"), metallicity)
    found = {}
    for ages, counts in product(("cigale", "continuous"), ("photons", "energy")):
        curves, constant = {}, np.ones(len(BANDS))
        for i, band in enumerate(BANDS):
            wl, throughput = np.loadtxt(tables / f"hst.wfc3.{band}.txt").T / [[10.0], [1.0]]
            if counts == "energy":  # T/lambda on the nodes where CIGALE has T, so that it is exact there
                inside = table.wl_nm[(table.wl_nm >= wl[0]) & (table.wl_nm <= wl[-1])]
                nodes = np.union1d(inside, wl)
                mean = np.trapezoid(throughput * wl, wl) / np.trapezoid(throughput, wl)
                constant[i] = mean**2 / np.trapezoid(throughput, wl)
                wl, throughput = nodes, np.interp(nodes, wl, throughput) / nodes
                constant[i] *= np.trapezoid(throughput / wl, wl)  # 0.9 takes the mean wavelength for the pivot
            curves[band] = Curve(wl, throughput)
        engine = SspSimulator(table, curves, parameters, {}, ages)  # type: ignore[arg-type]
        found[ages, counts] = float(np.abs(flux / engine(theta) / constant - 1).max())
    best = min(found, key=lambda key: found[key])
    with capsys.disabled():
        print(
            f"\nZ {metallicity}: {best[0]} ages, curves count {best[1]}: largest difference {found[best]:.1e}; {found}"
        )
    assert found[best] < 1e-9


def test_rows_know_nothing_of_each_other() -> None:
    simulator, theta = built(), drawn(60)[:, :2]
    flux = simulator(theta)
    order = np.random.default_rng(1).permutation(60)
    np.testing.assert_array_equal(simulator(theta[order]), flux[order])
    np.testing.assert_array_equal(simulator(theta[:7]), flux[:7])
    simulator.close()


def test_bad_rows_are_nan() -> None:
    simulator = built()
    theta = np.array([[7.0, 0.1], [np.nan, 0.1], [7.0, -0.1], [10.2, 0.1], [5.0, 0.1]])
    np.testing.assert_array_equal(np.isnan(simulator(theta)).all(axis=1), [False, True, True, True, True])
    assert simulator.reasons == {"log_age is out of range": 3, "ebv is out of range": 1}
    simulator.close()
