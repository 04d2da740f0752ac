"""The mass of a cluster whose age and reddening are held: a one-dimensional density with sharp edges.

Mass and distance are pure scale factors, f_b = exp(mu) F_b with mu = ln(m (10 pc / d)^2). The density in mu is a
product over bands, one-humped, and cut where no relative error of the training range explains a band. If normal noise
hides the bands it does not fall to nothing towards small masses: no flux at all explains them about as well.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.observe import Photometry, scale
from hpcflow.posterior.likelihood import Likelihood

__all__ = ["MassGivenFlux", "Peak"]

Floats = NDArray[np.floating]

REACH = 8.0  # the integral runs this many widths around the peak
CLIMBS = 4  # steps to the peak; it need not be met, only be near
BLOCK = 256  # rows at once: their temporaries stay in the processor's cache
TAIL = 16.0  # there is a tail below the hump if the density at its foot is within so many nats of its top
FINE = 128  # steps of the distribution that masses are drawn from
EDGE = 1e-6  # share of the range at its ends that they are kept off, where rounding decides what is impossible
LN10 = float(np.log(10))


class Peak(NamedTuple):
    """Where the density in mu is highest: place, width, log-likelihood (n,) there; information and pull (n, B)."""

    place: Floats
    width: Floats
    height: Floats
    information: Floats
    pull: Floats


class MassGivenFlux:
    """The density of the mass of one cluster, given its unit-mass fluxes.

    Args:
        likelihood: of the model.
        one: photometry of the cluster, (1, B) and (1,).
        nodes: Gauss-Legendre nodes of the integral.

    Attributes:
        used: the bands that are observed; fluxes are given in these.
    """

    def __init__(self, likelihood: Likelihood, one: Photometry, nodes: int = 24) -> None:
        self._likelihood, self._law = likelihood, likelihood.law
        self.used = np.flatnonzero(np.asarray(one.observed)[0])
        self._flux, self._sigma = (np.asarray(a)[0, self.used].astype(np.float64) for a in (one.flux, one.sigma))
        mass = likelihood.prior.parameters[likelihood.mass]
        self._offset = float(np.log(scale(0.0, float(one.distance[0]))))
        self._low, self._high = (self._offset + LN10 * bound for bound in (mass.low, mass.high))
        errors = likelihood.errors
        with np.errstate(divide="ignore"):
            self._faintest, self._brightest = np.log(self._sigma / errors.high), np.log(self._sigma / errors.low)
        self._node, self._weight = np.polynomial.legendre.leggauss(nodes)

    def peak(self, log_unit: Floats) -> Peak:
        """Return the peaks for ln F (n, B): Gauss-Newton from the mean of bands, kept between the edges."""
        low, high = self._edges(log_unit)
        prior_slope = self._likelihood.errors.slope * len(self.used)
        size = np.maximum(self._flux, self._sigma)  # a flux below its error says little more than its error
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
        """Return log of the likelihood's mean over the prior of the mass (n,), for ln F (n, B)."""
        found = [self._integral(log_unit[at : at + BLOCK]) for at in range(0, len(log_unit), BLOCK)]
        return np.concatenate([np.empty(0), *found])

    def draw(self, log_unit: Floats, rng: np.random.Generator) -> Floats:
        """Return one log_mass (n,) for each row of ln F (n, B)."""
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
        return (mu - self._offset) / LN10

    def _integral(self, log_unit: Floats) -> Floats:
        low, high, faint = self._range(log_unit)
        value = self._between(log_unit, low, high)
        if (tail := faint < low).any():
            value[tail] = np.logaddexp(value[tail], self._between(log_unit[tail], faint[tail], low[tail]))
        return value - np.log(self._high - self._low)

    def _between(self, log_unit: Floats, low: Floats, high: Floats) -> Floats:
        """Return log of the likelihood's integral (n,) over mu from low to high (n,)."""
        half = (high - low) / 2
        density = self._density(log_unit, (low + half)[:, None] + np.outer(half, self._node))
        highest = density.max(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = highest + np.log(np.exp(density - highest[:, None]) @ self._weight * half)
        return np.where(high > low, value, -np.inf)

    def _density(self, log_unit: Floats, mu: Floats) -> Floats:
        """Return the log-likelihood (n, k) at mu (n, k), which lies between the edges."""
        log_f = log_unit[:, None] + mu[..., None]
        return self._likelihood.band(log_f, self._flux, self._sigma, edges=False).sum(axis=-1)

    def _range(self, log_unit: Floats) -> tuple[Floats, Floats, Floats]:
        """Return from where to where (n,) the hump is, and where its tail towards no flux begins, if it has one."""
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
