"""The likelihood of photometry in closed form, for a known noise model and no nuisance parameters.

Given the true flux f of a band, training draws a relative error r, sets sigma = r f and draws f* from the noise model.
A catalogue lists (f*, sigma), whose density in each band is

    log p(f*, sigma | f) = log noise(f*; f, sigma) + log p(sigma | f),    r_min <= sigma / f <= r_max

with p(sigma | f) from `model.error_law`, which is 1 / (f (r_max - r_min)) for r ~ U[r_min, r_max]. Undetected bands
are observed again in training; this adds a factor that depends only on the data, which is left out because it does not
change the posterior. Bands are independent, and the scale enters only through f.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.model.forward import Forward
from hpcflow.model.observe import Observer, Photometry
from hpcflow.model.prior import Prior
from hpcflow.model.simulator import Simulator

__all__ = ["LAWS", "FluxLikelihood", "Law", "Likelihood"]

Floats = NDArray[np.floating]


class Law(NamedTuple):
    """One noise model as a function of ln f.

    log_density: log-density of the observed flux. pull: residual in standard deviations. slope: slope of the
    log-density, and its information (the squared slope of the pull).
    """

    log_density: Callable[[Floats, Floats, Floats], Floats]
    pull: Callable[[Floats, Floats, Floats], Floats]
    slope: Callable[[Floats, Floats, Floats], tuple[Floats, Floats]]


def _variance(log_f: Floats, sigma: Floats) -> Floats:
    return np.log1p((sigma * np.exp(-log_f)) ** 2)


def _lognormal(log_f: Floats, flux: Floats, sigma: Floats) -> Floats:
    variance, log_flux = _variance(log_f, sigma), np.log(flux)
    pull = log_flux - log_f + variance / 2
    return -0.5 * (np.log(2 * np.pi * variance) + pull**2 / variance) - log_flux


def _lognormal_pull(log_f: Floats, flux: Floats, sigma: Floats) -> Floats:
    variance = _variance(log_f, sigma)
    return (np.log(flux) - log_f + variance / 2) / np.sqrt(variance)


def _lognormal_slope(log_f: Floats, flux: Floats, sigma: Floats) -> tuple[Floats, Floats]:
    variance = _variance(log_f, sigma)
    bend = np.expm1(-variance)  # half the slope of the variance
    pull = (np.log(flux) - log_f + variance / 2) / variance
    return pull**2 * bend - bend / variance + pull * (1 - bend), (1 - bend) ** 2 / variance


def _normal(log_f: Floats, flux: Floats, sigma: Floats) -> Floats:
    return -0.5 * _normal_pull(log_f, flux, sigma) ** 2 - np.log(sigma) - 0.5 * np.log(2 * np.pi)


def _normal_pull(log_f: Floats, flux: Floats, sigma: Floats) -> Floats:
    return (flux - np.exp(log_f)) / sigma


def _normal_slope(log_f: Floats, flux: Floats, sigma: Floats) -> tuple[Floats, Floats]:
    f = np.exp(log_f)
    return (flux - f) * f / sigma**2, (f / sigma) ** 2


LAWS = {
    "lognormal": Law(_lognormal, _lognormal_pull, _lognormal_slope),
    "normal": Law(_normal, _normal_pull, _normal_slope),
}


class FluxLikelihood:
    """The density p(photometry | true fluxes) of the training set's own observations.

    Args:
        observer: noise model and distribution of relative errors.

    Raises:
        InputError: if the range of relative errors is empty.
    """

    def __init__(self, observer: Observer) -> None:
        errors = observer.errors
        if not errors.low < errors.high:
            raise InputError(
                f"observe.relative_error [{errors.low}, {errors.high}] has no width, so errors have no density; "
                "set a lower and a higher bound"
            )
        self.law, self.errors = LAWS[observer.noise], errors

    def of_fluxes(self, log_f: Floats, photometry: Photometry) -> Floats:
        """Return the log-likelihood (N, n) of true fluxes exp(log_f) (N, n, B) for N clusters."""
        observed = np.asarray(photometry.observed)
        flux = np.where(observed, photometry.flux, 1.0)[:, None].astype(np.float64)
        sigma = np.where(observed, photometry.sigma, 1.0)[:, None].astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            terms = self.band(log_f, flux, sigma)
        total = np.where(observed[:, None], terms, 0.0).sum(axis=-1)
        return np.where(np.isnan(total), -np.inf, total)

    def log_perfect(self, one: Photometry) -> float:
        """Return the log-likelihood of one cluster, (1, B), if the true flux of every band is the observed one.

        It has the units of the evidence, so that their ratio compares clusters with other units, errors or bands.
        """
        flux, sigma = (np.asarray(a, dtype=np.float64)[one.observed] for a in (one.flux, one.sigma))
        if self.law is LAWS["normal"]:  # whose density depends on f* - f alone, whatever the sign of f*
            flux = np.abs(flux) + sigma
        with np.errstate(over="ignore", invalid="ignore"):  # an absurd error is infinite
            return float(self.band(np.log(flux), flux, sigma, edges=False).sum())

    def band(self, log_f: Floats, flux: Floats, sigma: Floats, edges: bool = True) -> Floats:
        """Return log p(f*, sigma | f) of single bands (...), -inf if the relative error is outside the training range.

        Without `edges` the density continues smoothly beyond that range.
        """
        terms = self.law.log_density(log_f, flux, sigma) + self.errors.log_density(log_f, sigma)
        if not edges:
            return terms
        error = sigma * np.exp(-log_f)
        return np.where((error >= self.errors.low) & (error <= self.errors.high), terms, -np.inf)


class Likelihood(FluxLikelihood):
    """The density p(photometry | theta) of the training set's own observations.

    Args:
        simulator: simulator of unscaled noiseless fluxes.
        prior: prior of the simulator's parameters and the scale's.
        observer: scale, noise model and distribution of relative errors.

    Raises:
        InputError: if the simulator needs a parameter that is not inferred, or the range of relative errors is empty.
    """

    def __init__(self, simulator: Simulator, prior: Prior, observer: Observer) -> None:
        super().__init__(observer)
        self.forward = Forward(simulator, prior.names, observer.scale)
        if unused := set(prior.names) - {*simulator.parameters, observer.scale.parameter}:
            raise InputError(
                f"the likelihood is not tractable: {', '.join(sorted(unused))} is no parameter of it; remove it"
            )
        self.simulator, self.prior = simulator, prior

    def __call__(self, theta: Floats, photometry: Photometry) -> Floats:
        """Return log p(photometry | theta) (N, n) at n points theta (N, n, D) for each of N clusters.

        It is -inf at points where no error within the training range explains an observation. Missing bands are
        ignored.
        """
        clusters, n, dim = theta.shape
        flat, given = theta.reshape(-1, dim).astype(np.float64), np.asarray(photometry.given)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_unit = np.log(self.forward.unscaled(flat, np.repeat(given, n, axis=0))).reshape(clusters, n, -1)
        size = self.forward.factor(theta.astype(np.float64), given[:, None])
        return self.of_fluxes(log_unit + np.log(size)[..., None], photometry)
