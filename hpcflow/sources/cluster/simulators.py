"""The simulators of star clusters, by name, and how each is built from a config's plain values."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpcflow.base.errors import InputError
from hpcflow.model.filters import load_curve
from hpcflow.model.simulator import Simulator
from hpcflow.model.tables import load_ssp, load_tables
from hpcflow.sources.cluster.ages import Ages
from hpcflow.sources.cluster.atmospheres import shipped_atmospheres
from hpcflow.sources.cluster.cigale import CigaleSimulator
from hpcflow.sources.cluster.derived import DerivedCluster
from hpcflow.sources.cluster.gas_table import GasTable, load_gas
from hpcflow.sources.cluster.isochrones import load_isochrones
from hpcflow.sources.cluster.parameters import CHANCE, COVERING_FACTOR, LOG_MASS, LOG_U, REALISATION
from hpcflow.sources.cluster.ssp import GAS, SspSimulator
from hpcflow.sources.cluster.stochastic import StochasticSimulator
from hpcflow.sources.elsewhere import Manners, SimulatorElsewhere
from hpcflow.sources.source import Engine

__all__ = ["SIMULATORS", "build_cigale", "build_derived", "build_ssp", "build_stochastic"]

CHILD = Manners(
    (str(Path(__file__).with_name("cigale_worker.py")),), remedy="correct simulate.python; see docs/cigale.md"
)


def build_ssp(
    *,
    ssp: str,
    bands: Mapping[str, str],
    parameters: tuple[str, ...],
    fixed: Mapping[str, float],
    ages: Ages,
    extinction: str,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    threads: int = 1,
) -> SspSimulator:
    """Return the `ssp` simulator for names or paths of a table and of filter curves.

    Raises:
        InputError: if a table, curve or parameter is not usable.
    """
    free = "metallicity" in parameters
    tables = load_tables(ssp) if free else [load_ssp(ssp, fixed.get("metallicity", 0.02))]
    curves = {band: load_curve(curve) for band, curve in bands.items()}
    gas = _gas(parameters, fixed)
    kept = {name: value for name, value in fixed.items() if name != "metallicity" and (gas or name not in GAS)}
    return SspSimulator(tables, curves, parameters, kept, ages, extinction, bounds, threads, gas)


def _gas(parameters: Sequence[str], fixed: Mapping[str, float]) -> GasTable | None:
    """Return the gas around clusters; None if there is none."""
    if COVERING_FACTOR in parameters or fixed.get(COVERING_FACTOR, 0.0) > 0:
        return load_gas()
    if LOG_U in parameters:
        raise InputError("log_u changes nothing without gas; free covering_factor too, or fix it above 0")
    return None


def build_stochastic(
    *,
    isochrones: str,
    bands: Mapping[str, str],
    parameters: tuple[str, ...],
    fixed: Mapping[str, float],
    threads: int = 1,
    **settings: Any,
) -> StochasticSimulator:
    """Return the `stochastic` simulator; the settings that are not named here are those of `ssp`.

    Raises:
        InputError: if a table, curve, isochrone or parameter is not usable.
    """
    own = tuple(name for name in parameters if name not in (LOG_MASS, REALISATION))
    mean = build_ssp(bands=bands, parameters=own, fixed=fixed, threads=threads, **settings)
    curves = {band: load_curve(curve) for band, curve in bands.items()}
    metallicity = np.nan if "metallicity" in parameters else fixed.get("metallicity", 0.02)
    stars = load_isochrones(isochrones, metallicity, (settings.get("bounds") or {}).get("log_age"))
    return StochasticSimulator(mean, parameters, stars, shipped_atmospheres(), curves, metallicity, threads)


def build_derived(
    simulator: str, *, parameters: Sequence[str], fixed: Mapping[str, float], ssp: str = "", **_: object
) -> DerivedCluster | None:
    """Return the derived quantities of clusters; None for simulators other than `ssp`.

    Args:
        simulator: name of the simulator.
        parameters: all parameters of the prior.
        fixed: values of the others.
        ssp: name or path of the table.

    Raises:
        InputError: if the table is not usable.
    """
    if simulator != "ssp":
        return None
    free = "metallicity" in parameters
    tables = load_tables(ssp) if free else [load_ssp(ssp, fixed.get("metallicity", 0.02))]
    return DerivedCluster(tables, parameters, fixed, _gas(parameters, fixed))


def build_cigale(
    *,
    bands: Mapping[str, str],
    parameters: tuple[str, ...],
    fixed: Mapping[str, float],
    cigale: Mapping[str, Any] | None,
    python: str | None = None,
) -> Simulator:
    """Return the `cigale` simulator for the section `model.cigale`, in this process or in that of another Python.

    Raises:
        InputError: if the section is missing, a band has no filter, or CIGALE cannot do what it says.
    """
    if cigale is None:
        raise InputError("the simulator cigale needs the section model.cigale; docs/cigale.md has one to copy")
    if unknown := [name for name in GAS if name in (*parameters, *fixed)]:
        raise InputError(
            f"the simulator cigale has no {', '.join(unknown)}; its gas is the module nebular: add it to "
            "model.cigale.modules, with values of its own in model.cigale.fixed"
        )
    filters: Mapping[str, str] = cigale["filters"]
    if missing := [band for band in bands if band not in filters]:
        raise InputError(f"model.cigale.filters lacks {', '.join(missing)}; give CIGALE's name of each band's filter")
    options: dict[str, Any] = {
        "modules": list(cigale["modules"]),
        "filters": {band: filters[band] for band in bands},
        "parameters": list(parameters),
        "fixed": {name: value for name, value in fixed.items() if name not in parameters},
        "routes": dict(cigale["parameters"]),
        "settings": {module: dict(values) for module, values in cigale["fixed"].items()},
    }
    return SimulatorElsewhere(python, options, CHILD) if python else CigaleSimulator(**options)


SIMULATORS = {
    "ssp": Engine(build_ssp),
    "cigale": Engine(build_cigale, fast=False),
    "stochastic": Engine(build_stochastic, takes_scale=True, nuisance=(CHANCE,), choices=256),
}
