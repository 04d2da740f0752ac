"""The density of a cluster's mass at fixed age and reddening: one-dimensional, with sharp edges.

Mass and distance are pure scale factors, f_b = exp(mu) F_b with mu = ln(m (10 pc / d)^2). The density in mu is a
product over bands with a single peak, and is zero where no relative error in the training range explains a band. With
normal noise and faint bands it does not fall to zero towards small masses, because zero flux fits about as well.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.model.observe import Photometry
from hpcflow.posterior.likelihood import Likelihood

__all__ = ["MassGivenFlux", "Peak"]

Floats = NDArray[np.floating]

REACH = 8.0  # the integral runs this many widths around the peak
CLIMBS = 4  # steps towards the peak, which need only come close to it
BLOCK = 256  # rows at once, so that their temporaries stay in the processor's cache
TAIL = 16.0  # the peak has a tail below it if the density at its foot is within this many nats of its maximum
FINE = 128  # steps of the tabulated distribution from which masses are drawn
EDGE = 1e-6  # fraction of the range left out at either end, where rounding decides what is impossible
LN10 = float(np.log(10))


class Peak(NamedTuple):
    """The peak of the density in mu: place, width and log-likelihood (n,); information and pull (n, B) there."""

    place: Floats
    width: Floats
    height: Floats
    information: Floats
    pull: Floats


class MassGivenFlux:
    """The density of the mass of one cluster, given its unit-mass fluxes.

    Args:
        likelihood: likelihood of the model.
        one: photometry of the cluster, (1, B).
        nodes: number of Gauss-Legendre nodes.

    Attributes:
        used: indices of the observed bands; the methods take fluxes in these bands.
    """

    def __init__(self, likelihood: Likelihood, one: Photometry, nodes: int = 24) -> None:
        self._likelihood, self._law = likelihood, likelihood.law
        self.used = np.flatnonzero(np.asarray(one.observed)[0])
        self._flux, self._sigma = (np.asarray(a)[0, self.used].astype(np.float64) for a in (one.flux, one.sigma))
        scale, size = likelihood.forward.scale, likelihood.forward.size
        if size is None:
            raise InputError("the model has no parameter that scales its fluxes")
        mass = likelihood.prior.parameters[size]
        self._offset = float(np.log(scale.factor(0.0, np.asarray(one.given, dtype=np.float64)[0])))
        self._step = LN10 * scale.exponent
        self._low, self._high = (self._offset + self._step * bound for bound in (mass.low, mass.high))
        errors = likelihood.errors
        with np.errstate(divide="ignore"):
            self._faintest, self._brightest = np.log(self._sigma / errors.high), np.log(self._sigma / errors.low)
        self._node, self._weight = np.polynomial.legendre.leggauss(nodes)

    def peak(self, log_unit: Floats) -> Peak:
        """Return the peaks for ln F (n, B), by Gauss-Newton steps from the mean of the bands, within the edges."""
        low, high = self._edges(log_unit)
        prior_slope = self._likelihood.errors.slope * len(self.used)
        size = np.maximum(self._flux, self._sigma)  # below its error, a flux tells little more than the error
        weight = np.maximum(self._flux / self._sigma, 0.1) ** 2
        place = np.clip((np.log(size) - log_unit) @ (weight / weight.sum()), low, high)
        for climb in range(CLIMBS + 1):
            slope, information = self._law.slope(log_unit + place[:, None], self._flux, self._sigma)
            total = information.sum(axis=1)
            if climb < CLIMBS:
                step = (slope.sum(axis=1) + prior_slope) / total
                place = np.clip(place + np.clip(step, -1, 1), low, high)
        log_f = log_unit + place[:, None]
        height = self._likelihood.band(log_f, self._flux, self._sigma, edges=False).sum(axis=1)
        return Peak(
            place,
            np.minimum(1 / np.sqrt(total), np.maximum(high - low, 1e-9)),
            np.where(low < high, height, -np.inf),
            information,
            self._law.pull(log_f, self._flux, self._sigma),
        )

    def integral(self, log_unit: Floats) -> Floats:
        """Return the log (n,) of the likelihood averaged over the mass prior, for ln F (n, B)."""
        found = [self._integral(log_unit[at : at + BLOCK]) for at in range(0, len(log_unit), BLOCK)]
        return np.concatenate([np.empty(0), *found])

    def draw(self, log_unit: Floats, rng: np.random.Generator) -> Floats:
        """Draw one log_mass (n,) for each row of ln F (n, B)."""
        low, high, faint = self._range(log_unit)
        low = np.where(faint < low, faint, low)
        place = np.linspace(EDGE, 1 - EDGE, FINE + 1)
        density = self._density(log_unit, low[:, None] + np.outer(high - low, place))
        density = np.exp(density - density.max(axis=1, keepdims=True))
        cumulated = np.cumsum((density[:, 1:] + density[:, :-1]) / 2, axis=1)
        cumulated = np.concatenate([np.zeros((len(low), 1)), cumulated], axis=1)
        wanted = rng.random(len(low)) * cumulated[:, -1]
        left = np.clip((cumulated <= wanted[:, None]).sum(axis=1) - 1, 0, FINE - 1)
        rows = np.arange(len(low))
        below, above = cumulated[rows, left], cumulated[rows, left + 1]
        share = (wanted - below) / np.maximum(above - below, 1e-300)
        mu = low + (high - low) * (place[left] + share * (place[1] - place[0]))
        return (mu - self._offset) / self._step

    def _integral(self, log_unit: Floats) -> Floats:
        low, high, faint = self._range(log_unit)
        value = self._between(log_unit, low, high)
        if (tail := faint < low).any():
            value[tail] = np.logaddexp(value[tail], self._between(log_unit[tail], faint[tail], low[tail]))
        return value - np.log(self._high - self._low)

    def _between(self, log_unit: Floats, low: Floats, high: Floats) -> Floats:
        """Return the log (n,) of the likelihood's integral over mu from low to high (n,)."""
        half = (high - low) / 2
        density = self._density(log_unit, (low + half)[:, None] + np.outer(half, self._node))
        highest = density.max(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = highest + np.log(np.exp(density - highest[:, None]) @ self._weight * half)
        return np.where(high > low, value, -np.inf)

    def _density(self, log_unit: Floats, mu: Floats) -> Floats:
        """Return the log-likelihood (n, k) at mu (n, k), which must lie between the edges."""
        log_f = log_unit[:, None] + mu[..., None]
        return self._likelihood.band(log_f, self._flux, self._sigma, edges=False).sum(axis=-1)

    def _range(self, log_unit: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the two ends (n,) of the peak, and the lower end of its tail towards zero flux, if it has one."""
        peak = self.peak(log_unit)
        lowest, highest = self._edges(log_unit)
        low = np.maximum(lowest, peak.place - REACH * peak.width)
        high = np.minimum(highest, peak.place + REACH * peak.width)
        has_tail = self._density(log_unit, low[:, None])[:, 0] > peak.height - TAIL
        return low, high, np.where(has_tail, lowest, low)

    def _edges(self, log_unit: Floats) -> tuple[Floats, Floats]:
        low = np.maximum((self._faintest - log_unit).max(axis=1), self._low)
        high = np.minimum((self._brightest - log_unit).min(axis=1), self._high)
        return low, high
