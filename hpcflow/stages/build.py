"""From config to the objects that the stages work with."""

from dataclasses import fields
from functools import cache
from pathlib import Path

from hpcflow.config import Config
from hpcflow.flow.schedule import Schedule
from hpcflow.model.filters import shipped_curves
from hpcflow.model.observe import Observer
from hpcflow.model.prior import Parameter, Prior
from hpcflow.model.simulator import SIMULATORS, Simulator
from hpcflow.posterior.likelihood import Likelihood
from hpcflow.stages.run import Run

__all__ = [
    "build_likelihood",
    "build_observer",
    "build_prior",
    "build_schedule",
    "build_simulator",
    "build_survey_simulator",
    "config_of",
    "simulator_of",
]

UNITS = {"log_age": "dex(yr)", "log_mass": "dex(solMass)", "ebv": "mag"}


def build_prior(config: Config) -> Prior:
    """Return the prior over all parameters, in the config's order."""
    return Prior(
        tuple(
            Parameter(name, bounds.low, bounds.high, bounds.unit or UNITS.get(name, ""), bounds.scale)
            for name, bounds in config.model.parameters.items()
        )
    )


def build_simulator(config: Config) -> Simulator:
    """Return the simulator of unit-mass fluxes; its parameters are all but the mass.

    Raises:
        InputError: if a table, curve or parameter is not usable.
    """
    model = config.model
    return SIMULATORS[model.simulator](
        ssp=model.ssp,
        bands=model.bands,
        parameters=tuple(name for name in model.parameters if name != "log_mass"),
        fixed=model.fixed,
        ages=model.ages,
        extinction=model.extinction,
    )


def build_observer(config: Config) -> Observer:
    """Return the observer that training and validation draw from."""
    observe = config.observe
    sets = tuple(tuple(band in bands for band in config.model.bands) for bands in observe.band_sets)
    return Observer(observe.noise, observe.relative_error, observe.distance_mpc, sets, observe.missing)


def build_likelihood(config: Config) -> Likelihood:
    """Return the likelihood that training's observations have.

    Raises:
        InputError: if it cannot be written down.
    """
    return Likelihood(build_simulator(config), build_prior(config), build_observer(config))


def build_schedule(config: Config, member: int = 0) -> Schedule:
    """Return how one flow of an ensemble is trained."""
    given = config.train.model_dump(include={f.name for f in fields(Schedule)})
    return Schedule(**given, member=member)


@cache
def config_of(run: str) -> Config:
    """Return a run's frozen config; a worker reads it once."""
    return Run(Path(run)).config()


@cache
def simulator_of(run: str) -> Simulator:
    """Return a run's simulator; a worker builds it once."""
    return build_simulator(config_of(run))


def build_survey_simulator(config: Config) -> Simulator:
    """Return the config's simulator over every shipped curve, as a mock of the whole survey needs it."""
    model = config.model
    return SIMULATORS[model.simulator](
        ssp=model.ssp,
        bands={curve: curve for curve in shipped_curves()},
        parameters=("log_age", "ebv"),
        fixed=model.fixed,
        ages=model.ages,
        extinction=model.extinction,
    )
