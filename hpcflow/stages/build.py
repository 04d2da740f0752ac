"""Build the objects that the stages work with from a config."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from hpcflow.base.errors import InputError
from hpcflow.compute.once import once_per_worker
from hpcflow.config.load import Config
from hpcflow.flow.schedule import Schedule
from hpcflow.model.filters import shipped_curves
from hpcflow.model.observe import Observer
from hpcflow.model.prior import Parameter, Prior
from hpcflow.model.simulator import Derived, Simulator
from hpcflow.model.tables import load_tables
from hpcflow.posterior.likelihood import Likelihood
from hpcflow.sources.cluster import simulators
from hpcflow.stages.run import Run

__all__ = [
    "SETTINGS",
    "build_derived",
    "build_likelihood",
    "build_observer",
    "build_prior",
    "build_schedule",
    "build_simulator",
    "build_survey_simulator",
    "config_of",
    "model_fluxes",
    "simulator_of",
    "simulator_over",
]

MODELS = 4000  # points of the prior whose colours a catalogue is compared with
UNITS = {"log_age": "dex(yr)", "log_mass": "dex(solMass)", "ebv": "mag"}


def build_prior(config: Config) -> Prior:
    """Return the prior of all parameters, in the config's order."""
    return Prior(
        tuple(
            Parameter(name, bounds.low, bounds.high, bounds.unit or UNITS.get(name, ""), bounds.scale)
            for name, bounds in config.model.parameters.items()
        )
    )


def build_simulator(config: Config) -> Simulator:
    """Return the simulator of unit-mass fluxes; its parameters are all but the mass.

    Raises:
        InputError: if a table, curve or parameter cannot be used.
    """
    return simulator_over(config, tuple(name for name in config.model.parameters if name != "log_mass"))


def simulator_over(config: Config, parameters: tuple[str, ...], bands: Mapping[str, str] | None = None) -> Simulator:
    """Return the config's simulator with other parameters or other filter curves.

    Args:
        config: the simulator and all its settings.
        parameters: names of theta's columns.
        bands: filter curve of each band; those of the config if None.

    Raises:
        InputError: if a table, curve or parameter cannot be used.
    """
    model = config.model
    return simulators.SIMULATORS[model.simulator](
        bands=model.bands if bands is None else bands,
        parameters=parameters,
        fixed=model.fixed,
        **SETTINGS[model.simulator](config),
    )


def _ssp_settings(config: Config) -> dict[str, Any]:
    model = config.model
    return {
        "ssp": model.ssp,
        "ages": model.ages,
        "extinction": model.extinction,
        "bounds": {name: (bounds.low, bounds.high) for name, bounds in model.parameters.items()},
        "threads": config.simulate.threads,
    }


def _cigale_settings(config: Config) -> dict[str, Any]:
    section = config.model.cigale
    return {"cigale": section and section.model_dump(), "python": config.simulate.python}


# What each simulator takes from a config besides bands, parameters and fixed values.
SETTINGS: dict[str, Callable[[Config], dict[str, Any]]] = {"ssp": _ssp_settings, "cigale": _cigale_settings}


def build_derived(config: Config) -> Derived | None:
    """Return what follows from clusters' parameters; None with a simulator that has no such quantities.

    Raises:
        InputError: if a table cannot be used.
    """
    model = config.model
    if model.simulator != "ssp":
        return None
    return simulators.build_derived(ssp=model.ssp, parameters=tuple(model.parameters), fixed=model.fixed)


def build_observer(config: Config) -> Observer:
    """Return the observer that training and validation draw from."""
    observe = config.observe
    sets = tuple(tuple(band in bands for band in config.model.bands) for bands in observe.band_sets)
    undetected = observe.undetected if observe.noise == "normal" else 0.0
    return Observer(
        observe.noise,
        observe.relative_error,
        observe.distance_mpc,
        sets,
        observe.missing,
        undetected,
        observe.relative_error_scale,
    )


def build_likelihood(config: Config) -> Likelihood:
    """Return the likelihood of the observations that training draws.

    Raises:
        InputError: if it is not tractable, or would take a million models of a slow simulator.
    """
    if config.model.simulator != "ssp":
        raise InputError(f"exact posteriors need model.simulator: ssp, but it is {config.model.simulator}")
    return Likelihood(build_simulator(config), build_prior(config), build_observer(config))


def build_schedule(config: Config, member: int = 0) -> Schedule:
    """Return the training schedule of one flow of an ensemble."""
    given = config.train.model_dump(include={f.name for f in fields(Schedule)})
    return Schedule(**given, member=member)


def model_fluxes(config: Config) -> NDArray[np.floating] | None:
    """Return unit-mass fluxes (M, B) of models that cover the prior, or None if the simulator is too slow."""
    if config.model.simulator != "ssp":
        return None
    simulator = build_simulator(config)
    prior = build_prior(config).select(simulator.parameters)
    flux = np.asarray(simulator(prior.from_unit(qmc.Halton(len(simulator.parameters), scramble=False).random(MODELS))))
    return flux[(np.isfinite(flux) & (flux > 0)).all(axis=1)]


@once_per_worker
def config_of(run: str) -> Config:
    """Return a run's frozen config; a worker reads it once."""
    return Run(Path(run)).config()


@once_per_worker
def simulator_of(run: str) -> Simulator:
    """Return a run's simulator; a worker builds it once."""
    return build_simulator(config_of(run))


def build_survey_simulator(config: Config) -> Simulator:
    """Return the config's simulator over all shipped filter curves, for a mock of the whole survey.

    It takes metallicity besides log_age and ebv if its table has several.
    """
    several = config.model.simulator == "ssp" and len(load_tables(config.model.ssp)) > 1
    parameters = ("log_age", "ebv", *(("metallicity",) if several else ()))
    return simulator_over(config, parameters, {curve: curve for curve in shipped_curves()})
