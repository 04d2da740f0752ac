"""Build the objects that the stages work with from a config."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from hpcflow.base.errors import InputError
from hpcflow.catalogues.galaxies import survey_bands
from hpcflow.compute.once import once_per_worker
from hpcflow.config.joint_prior import law_of
from hpcflow.config.load import Config
from hpcflow.config.sources import source_for
from hpcflow.flow.physics import Physics
from hpcflow.flow.schedule import Schedule
from hpcflow.model.observe import Observer
from hpcflow.model.prior import Parameter, Prior
from hpcflow.model.scale import Scale
from hpcflow.model.simulator import Derived, Simulator
from hpcflow.model.tables import load_tables
from hpcflow.posterior.likelihood import Likelihood
from hpcflow.sources.cluster.parameters import EBV, LOG_AGE, LOG_MASS, METALLICITY
from hpcflow.sources.own.own import OWN
from hpcflow.sources.source import Engine, Source
from hpcflow.stages.run import Run

__all__ = [
    "SETTINGS",
    "build_derived",
    "build_likelihood",
    "build_nuisance",
    "build_observer",
    "build_physics",
    "build_prior",
    "build_scale",
    "build_schedule",
    "build_simulated",
    "build_simulator",
    "build_survey_simulator",
    "config_of",
    "engine_of",
    "model_fluxes",
    "simulated_names",
    "simulator_of",
    "simulator_over",
    "source_of",
]

MODELS = 4000  # points of the prior whose colours a catalogue is compared with


def source_of(config: Config) -> Source:
    """Return the kind of source that the config is about."""
    return source_for(config.source, config.model)


def build_scale(config: Config) -> Scale:
    """Return the scale of fluxes, with the ranges in training of what is given."""
    scale, observe = source_of(config).scale, config.observe
    places = {"distance": observe.distance_mpc} if source_of(config).in_galaxies else {}
    return scale.over({**places, **observe.given})


def build_prior(config: Config) -> Prior:
    """Return the prior of the parameters to infer, in the config's order."""
    return _prior_of(config, [name for name, p in config.model.parameters.items() if not p.nuisance])


def build_nuisance(config: Config) -> Prior | None:
    """Return the prior of the parameters that are simulated and not inferred; None if there are none."""
    names = [name for name, bounds in config.model.parameters.items() if bounds.nuisance]
    return _prior_of(config, names) if names else None


def build_simulated(config: Config) -> Prior:
    """Return the prior of everything that is drawn for the library: parameters, and what is given.

    The scale's parameter is among them only if the simulator takes it or other parameters hang together with it.
    """
    prior, scale = _prior_of(config, list(config.model.parameters), with_given=True), build_scale(config).parameter
    tied = bool(scale) and not prior.is_free(scale)
    return prior if tied or engine_of(config).takes_scale else prior.select(n for n in prior.names if n != scale)


def _prior_of(config: Config, names: Sequence[str], *, with_given: bool = False) -> Prior:
    """Return the prior of some of the config's parameters, and of what is given and simulated if asked."""
    own = [_parameter(config, name) for name in config.model.parameters]
    given = [Parameter(q.name, q.low, q.high, q.unit) for q in build_scale(config).given if q.simulated and with_given]
    law = law_of(config.model.prior, [*own, *given])
    return Prior((*own, *given), law).select([*names, *(parameter.name for parameter in given)])


def _parameter(config: Config, name: str) -> Parameter:
    bounds, declared = config.model.parameters[name], source_of(config).by_name.get(name)
    return Parameter(name, bounds.low, bounds.high, bounds.unit or (declared.unit if declared else ""), bounds.scale)


def build_simulator(config: Config) -> Simulator:
    """Return the simulator of unscaled fluxes, of everything that is drawn for the library and that it takes.

    Raises:
        InputError: if a table, curve or parameter cannot be used.
    """
    return simulator_over(config, simulated_names(config))


def simulated_names(config: Config) -> tuple[str, ...]:
    """Return the names of the columns that the simulator takes."""
    scale, takes_scale = build_scale(config).parameter, engine_of(config).takes_scale
    return tuple(name for name in build_simulated(config).names if takes_scale or name != scale)


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
    return engine_of(config).build(
        bands=model.bands if bands is None else bands, parameters=parameters, fixed=model.fixed, **_settings(config)
    )


def _settings(config: Config) -> dict[str, Any]:
    """Return what the config's simulator takes besides bands, parameters and fixed values."""
    return SETTINGS.get(config.source if config.source == OWN else config.model.simulator, lambda _: {})(config)


def _ssp_settings(config: Config) -> dict[str, Any]:
    model = config.model
    return {
        "ssp": model.ssp,
        "ages": model.ages,
        "extinction": model.extinction,
        "bounds": {name: (bounds.low, bounds.high) for name, bounds in model.parameters.items()},
        "threads": config.simulate.threads,
    }


def _stochastic_settings(config: Config) -> dict[str, Any]:
    return {**_ssp_settings(config), "isochrones": config.model.isochrones}


def _cigale_settings(config: Config) -> dict[str, Any]:
    section = config.model.cigale
    return {"cigale": section and section.model_dump(), "python": config.simulate.python}


def _own_settings(config: Config) -> dict[str, Any]:
    return {"simulator": config.model.simulator, "timeout_s": config.simulate.timeout_s}


# What simulators take from a config besides bands, parameters and fixed values.
SETTINGS: dict[str, Callable[[Config], dict[str, Any]]] = {
    "ssp": _ssp_settings,
    "cigale": _cigale_settings,
    "stochastic": _stochastic_settings,
    OWN: _own_settings,
}


def build_derived(config: Config) -> Derived | None:
    """Return what follows from a source's parameters; None with a simulator that has no such quantities.

    Raises:
        InputError: if a table cannot be used.
    """
    model = config.model
    inferred = build_prior(config).names
    if len(inferred) < len(model.parameters):  # what follows from nuisance parameters is not known
        return None
    settings = _settings(config)
    return source_of(config).derive(model.simulator, parameters=inferred, fixed=model.fixed, **settings)


def build_observer(config: Config) -> Observer:
    """Return the observer that training and validation draw from."""
    observe = config.observe
    sets = tuple(tuple(band in bands for band in config.model.bands) for bands in observe.band_sets)
    undetected = observe.undetected if observe.noise == "normal" else 0.0
    return Observer(
        build_scale(config),
        observe.noise,
        observe.relative_error,
        sets,
        observe.missing,
        undetected,
        observe.relative_error_scale,
        observe.subset,
    )


def build_likelihood(config: Config) -> Likelihood:
    """Return the likelihood of the observations that training draws.

    Raises:
        InputError: if it is not tractable, or would take a million models of a slow simulator.
    """
    if not _is_fast(config):
        raise InputError(f"exact densities need a faster simulator than model.simulator: {config.model.simulator}")
    if drawn := [own.name for own in engine_of(config).nuisance]:
        raise InputError(
            f"the likelihood is not tractable with simulator {config.model.simulator}, which draws "
            f"{', '.join(drawn)} at random; only a flow gives the posterior"
        )
    if nuisance := [name for name, bounds in config.model.parameters.items() if bounds.nuisance]:
        raise InputError(f"the likelihood is not tractable while {', '.join(nuisance)} is a nuisance")
    return Likelihood(build_simulator(config), build_prior(config), build_observer(config))


def build_physics(config: Config, bands: Mapping[str, str] | None = None) -> Physics | None:
    """Return what the flow may know of the model, in other bands than the config's if asked; None if it is slow."""
    if not _is_fast(config):
        return None
    names = simulated_names(config)
    return Physics(simulator_over(config, names, bands), _box(config, names))


def _box(config: Config, names: Sequence[str]) -> Prior:
    """Return independent parameters inside the bounds of those that are drawn for the library."""
    by_name = {parameter.name: parameter for parameter in build_simulated(config).parameters}
    return Prior(tuple(by_name[name] for name in names))


def build_schedule(config: Config, member: int = 0) -> Schedule:
    """Return the training schedule of one flow of an ensemble."""
    given = config.train.model_dump(include={f.name for f in fields(Schedule)})
    return Schedule(**given, member=member)


def model_fluxes(config: Config) -> NDArray[np.floating] | None:
    """Return unscaled fluxes (M, B) of models that cover the prior, or None if the simulator is too slow."""
    if not _is_fast(config):
        return None
    simulator, prior = build_simulator(config), _box(config, simulated_names(config))
    flux = np.asarray(simulator(prior.from_unit(qmc.Halton(len(simulator.parameters), scramble=False).random(MODELS))))
    return flux[(np.isfinite(flux) & (flux > 0)).all(axis=1)]


def _is_fast(config: Config) -> bool:
    return engine_of(config).fast


def engine_of(config: Config) -> Engine:
    """Return the config's simulator as its kind of source declares it."""
    return source_of(config).simulators[config.model.simulator]


@once_per_worker
def config_of(run: str) -> Config:
    """Return a run's frozen config; a worker reads it once."""
    return Run(Path(run)).config()


@once_per_worker
def simulator_of(run: str) -> Simulator:
    """Return a run's simulator; a worker builds it once."""
    return build_simulator(config_of(run))


def build_survey_simulator(config: Config) -> Simulator:
    """Return the config's simulator over all bands of the survey, for a mock of it.

    It takes metallicity besides age and reddening if its table has several, and the mass and parameters of its own
    where the config's does.
    """
    engine = engine_of(config)
    several = config.model.simulator in ("ssp", "stochastic") and len(load_tables(config.model.ssp)) > 1
    mass = (LOG_MASS,) if engine.takes_scale else ()
    own = [declared.name for declared in engine.nuisance]
    parameters = (LOG_AGE, EBV, *((METALLICITY,) if several else ()), *mass, *own)
    return simulator_over(config, parameters, {curve: curve for curve in survey_bands()})
