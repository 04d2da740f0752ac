"""The density of objects' masses where all else is fixed: one-dimensional, with sharp edges.

Mass and distance are pure scale factors, f_b = exp(mu) F_b with mu = ln(m (10 pc / d)^2). The density in mu is a
product over bands with a single peak, and is zero where no relative error in the training range explains a band. With
normal noise and faint bands it does not fall to zero towards small masses, because zero flux fits about as well.

Many objects are handled at once: each row belongs to one of them, and its numbers do not depend on the others.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from hpcflow.base.errors import InputError
from hpcflow.model.observe import Photometry
from hpcflow.posterior.likelihood import LAWS, Likelihood

__all__ = ["MassGivenFlux", "Peak"]

Floats = NDArray[np.floating]
Rows = NDArray[np.intp]

REACH = 8.0  # the integral runs this many widths around the peak
CLIMBS = 4  # steps towards the peak, which need only come close to it
BLOCK = 512  # rows at once, so that their temporaries stay in the processor's cache
TAIL = 16.0  # the peak has a tail below it if the density at its foot is within this many nats of its maximum
FINE = 128  # steps of the tabulated distribution from which masses are drawn
NARROW = 0.07  # width of a peak in mu below which closed forms err by less than 1e-4
FARTHEST = 1e-12  # probability beyond the farthest mass that is drawn
EDGE = 1e-6  # fraction of the range left out at either end, where rounding decides what is impossible
LN10 = float(np.log(10))


class Peak(NamedTuple):
    """The peak of the density in mu: place, width and log-likelihood (n,); information and pull (n, B) there.

    possible: (n,) whether there is any mass between the edges.
    """

    place: Floats
    width: Floats
    height: Floats
    information: Floats
    pull: Floats
    possible: NDArray[np.bool_]


class _Density(Protocol):
    """The log-likelihood of n rows as a function of mu, smooth beyond the edges."""

    def __call__(self, mu: Floats) -> Floats:
        """Return it (n, k) at mu (n, k)."""

    def peak(self, low: Floats, high: Floats) -> Peak:
        """Return the peak between the edges (n,)."""

    def integral(self, low: Floats, high: Floats) -> tuple[NDArray[np.bool_], Floats]:
        """Return where (n,) the integral is known in closed form, and its log (n,) there."""

    def draw(self, low: Floats, high: Floats, uniform: Floats) -> tuple[NDArray[np.bool_], Floats, Floats]:
        """Return where (n,) mu can be drawn in closed form, and mu and the log of its density (n,) there."""


class MassGivenFlux:
    """The density of the masses of N objects, given their unit-mass fluxes.

    Args:
        likelihood: likelihood of the model.
        photometry: photometry of the objects, (N, B); missing bands are ignored.
        nodes: number of Gauss-Legendre nodes.
    """

    def __init__(self, likelihood: Likelihood, photometry: Photometry, nodes: int = 24) -> None:
        scale, size = likelihood.forward.scale, likelihood.forward.size
        if size is None:
            raise InputError("the model has no parameter that scales its fluxes")
        self._likelihood, self._seen = likelihood, np.asarray(photometry.observed)
        flux, sigma = (np.asarray(a, dtype=np.float64) for a in (photometry.flux, photometry.sigma))
        self._flux, self._sigma = (np.where(self._seen, a, 1.0) for a in (flux, sigma))
        self._normal = likelihood.law is LAWS["normal"]
        mass, errors = likelihood.prior.parameters[size], likelihood.errors
        self._offset = np.log(scale.factor(0.0, np.asarray(photometry.given, dtype=np.float64)))
        self._step = LN10 * scale.exponent
        self._low, self._high = (self._offset + self._step * bound for bound in (mass.low, mass.high))
        with np.errstate(divide="ignore"):
            self._faintest = np.where(self._seen, np.log(self._sigma / errors.high), -np.inf)
            self._brightest = np.where(self._seen, np.log(self._sigma / errors.low), np.inf)
        self._node, self._weight = np.polynomial.legendre.leggauss(nodes)

    def peak(self, log_unit: Floats, of: Rows, slack: Floats | float = 0.0) -> Peak:
        """Return the peaks for ln F (n, B) of the objects `of` (n,), at most `slack` (n,) beyond the edges."""
        low, high = self._edges(log_unit, of)
        peak = self._density(log_unit, of).peak(low - slack, high + slack)
        return peak._replace(
            width=np.minimum(peak.width, np.maximum(high - low, 1e-9)),
            height=np.where(low - slack < high + slack, peak.height, -np.inf),
            possible=low < high,
        )

    def integral(self, log_unit: Floats, of: Rows) -> Floats:
        """Return the log (n,) of the likelihood averaged over the mass prior, for ln F (n, B) of the objects `of`."""
        found = [self._integral(log_unit[block], of[block]) for block in _blocks(len(log_unit))]
        return np.concatenate([np.empty(0), *found])

    def draw(self, log_unit: Floats, of: Rows, uniform: Floats) -> tuple[Floats, Floats]:
        """Draw one log_mass for each row of ln F (n, B) of the objects `of`, from uniform numbers (n,).

        Returns:
            log_mass (n,), and the log of the density (n,) it was drawn from; infinite where no mass is possible.
        """
        pairs = [self._draw(log_unit[block], of[block], uniform[block]) for block in _blocks(len(log_unit))]
        log_mass, log_density = (np.concatenate([np.empty(0), *part]) for part in zip(*pairs, strict=True))
        return log_mass, log_density

    def _draw(self, log_unit: Floats, of: Rows, uniform: Floats) -> tuple[Floats, Floats]:
        density = self._density(log_unit, of)
        near, mu, log_density = density.draw(*self._edges(log_unit, of), uniform)
        if not near.all():
            far = ~near
            mu[far], log_density[far] = self._draw_from_table(log_unit[far], of[far], uniform[far])
        return (mu - self._offset[of]) / self._step, log_density + np.log(abs(self._step))

    def _draw_from_table(self, log_unit: Floats, of: Rows, uniform: Floats) -> tuple[Floats, Floats]:
        """Draw mu (n,) from steps, and return it and the log of its density (n,), infinite where no mu is possible."""
        density = self._density(log_unit, of)
        low, high, faint = self._range(density, log_unit, of)
        low = np.where(faint < low, faint, low)
        place = np.linspace(EDGE, 1 - EDGE, FINE + 1)
        height = density(low[:, None] + np.outer(high - low, place))
        height = np.exp(height - height.max(axis=1, keepdims=True))
        cumulated = np.zeros_like(height)
        np.cumsum((height[:, 1:] + height[:, :-1]) / 2, axis=1, out=cumulated[:, 1:])
        rows, total = np.arange(len(low)), cumulated[:, -1]
        wanted = uniform * total
        left = np.clip((cumulated <= wanted[:, None]).sum(axis=1) - 1, 0, FINE - 1)
        below = cumulated[rows, left]
        within = np.maximum(cumulated[rows, left + 1] - below, 1e-300)
        width = (high - low) * (place[1] - place[0])
        mu = low + (high - low) * place[left] + width * (wanted - below) / within
        possible = high > low
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(possible, mu, high), np.where(possible, np.log(within / total / width), np.inf)

    def _integral(self, log_unit: Floats, of: Rows) -> Floats:
        near, value = self._density(log_unit, of).integral(*self._edges(log_unit, of))
        if not near.all():
            value[~near] = self._integral_by_nodes(log_unit[~near], of[~near])
        return value - np.log(np.abs(self._high - self._low))[of]

    def _integral_by_nodes(self, log_unit: Floats, of: Rows) -> Floats:
        density = self._density(log_unit, of)
        low, high, faint = self._range(density, log_unit, of)
        value = self._between(density, low, high)
        if (tail := faint < low).any():
            also = self._between(self._density(log_unit[tail], of[tail]), faint[tail], low[tail])
            value[tail] = np.logaddexp(value[tail], also)
        return value

    def _between(self, density: _Density, low: Floats, high: Floats) -> Floats:
        """Return the log (n,) of the likelihood's integral over mu from low to high (n,)."""
        half = (high - low) / 2
        height = density((low + half)[:, None] + np.outer(half, self._node))
        highest = height.max(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = highest + np.log((np.exp(height - highest[:, None]) * self._weight).sum(axis=1) * half)
        return np.where(high > low, value, -np.inf)

    def _range(self, density: _Density, log_unit: Floats, of: Rows) -> tuple[Floats, Floats, Floats]:
        """Return the two ends (n,) of the peak, and the lower end of its tail towards zero flux, if it has one."""
        lowest, highest = self._edges(log_unit, of)
        peak = density.peak(lowest, highest)
        low = np.maximum(lowest, peak.place - REACH * peak.width)
        high = np.minimum(highest, peak.place + REACH * peak.width)
        has_tail = density(low[:, None])[:, 0] > peak.height - TAIL
        return low, high, np.where(has_tail, lowest, low)

    def _edges(self, log_unit: Floats, of: Rows) -> tuple[Floats, Floats]:
        low, high = self._low[of], self._high[of]
        for band, column in enumerate(log_unit.T):  # numpy is slow along short axes
            low = np.maximum(low, self._faintest[of, band] - column)
            high = np.minimum(high, self._brightest[of, band] - column)
        return low, high

    def _density(self, log_unit: Floats, of: Rows) -> _Density:
        return (_Normal if self._normal else _AnyLaw)(
            self._likelihood, log_unit, self._flux[of], self._sigma[of], self._seen[of]
        )


class _Normal:
    """With normal noise, chi^2 is a parabola in exp(mu), and the error law says nothing about mu."""

    def __init__(
        self, likelihood: Likelihood, log_unit: Floats, flux: Floats, sigma: Floats, seen: NDArray[np.bool_]
    ) -> None:
        weight = seen / sigma
        self._unit, self._signal = np.exp(log_unit) * weight, flux * weight
        self._curvature, self._slope = _dot(self._unit, self._unit), _dot(self._unit, self._signal)
        constant = likelihood.errors.log_density(np.zeros_like(sigma), sigma) - np.log(sigma) - 0.5 * np.log(2 * np.pi)
        self._constant = _dot(seen, constant) - _dot(self._signal, self._signal) / 2

    def __call__(self, mu: Floats) -> Floats:
        size = np.exp(mu)
        return (self._slope[:, None] - self._curvature[:, None] / 2 * size) * size + self._constant[:, None]

    def peak(self, low: Floats, high: Floats) -> Peak:
        with np.errstate(divide="ignore", invalid="ignore"):
            place = np.log(np.maximum(self._slope, 0.0) / self._curvature)
        place = np.clip(place, low, high)
        size = np.exp(place)
        expected = self._unit * size[:, None]
        width = 1 / (np.sqrt(self._curvature) * size)
        return Peak(place, width, self(place[:, None])[:, 0], expected**2, self._signal - expected, low < high)

    def integral(self, low: Floats, high: Floats) -> tuple[NDArray[np.bool_], Floats]:
        """In exp(mu) the peak is a normal distribution divided by exp(mu), whose mean is a series in the width."""
        near, place, width = self._narrow(low, high)
        square = width**2
        series = np.log1p(square * (1 + square * (3 + 15 * square))) + np.log(width) + 0.5 * np.log(2 * np.pi)
        return near, self(place[:, None])[:, 0] + series

    def draw(self, low: Floats, high: Floats, uniform: Floats) -> tuple[NDArray[np.bool_], Floats, Floats]:
        """Divided by exp(mu), the normal distribution is another one but for the cube of the width."""
        near, place, width = self._narrow(low, high)
        precision = 1 - width**2
        normal = ndtri(np.clip(uniform, FARTHEST, 1 - FARTHEST))
        log_size = np.log1p(width * (normal / np.sqrt(precision) - width / precision))
        log_density = 0.5 * np.log(precision / (2 * np.pi)) - normal**2 / 2 - np.log(width) + log_size
        return near, place + log_size, log_density

    def _narrow(self, low: Floats, high: Floats) -> tuple[NDArray[np.bool_], Floats, Floats]:
        """Return which peaks (n,) are narrow and far from the edges, and their places and widths."""
        with np.errstate(divide="ignore", invalid="ignore"):
            place = np.log(np.maximum(self._slope, 0.0) / self._curvature)
            width = np.sqrt(self._curvature) / self._slope
            reach = REACH * width
            near = (width > 0) & (width < NARROW) & (place - 2 * reach > low) & (place + reach < high)
        return near, np.where(near, place, 0.0), np.where(near, width, NARROW)


class _AnyLaw:
    """The sum over bands of any law's log-density."""

    def __init__(
        self, likelihood: Likelihood, log_unit: Floats, flux: Floats, sigma: Floats, seen: NDArray[np.bool_]
    ) -> None:
        self._likelihood, self._law, self._log_unit = likelihood, likelihood.law, log_unit
        self._flux, self._sigma, self._seen = flux, sigma, seen

    def __call__(self, mu: Floats) -> Floats:
        log_f = self._log_unit[:, None] + mu[..., None]
        terms = self._likelihood.band(log_f, self._flux[:, None], self._sigma[:, None], edges=False)
        return np.where(self._seen[:, None], terms, 0.0).sum(axis=-1)

    def peak(self, low: Floats, high: Floats) -> Peak:
        """Climb by Gauss-Newton steps from the mean of the bands."""
        prior_slope = self._likelihood.errors.slope * self._seen.sum(axis=1)
        size = np.maximum(self._flux, self._sigma)  # below its error, a flux tells little more than the error
        weight = np.where(self._seen, np.maximum(self._flux / self._sigma, 0.1) ** 2, 0.0)
        place = ((np.log(size) - self._log_unit) * weight).sum(axis=1) / weight.sum(axis=1)
        place = np.clip(place, low, high)
        for climb in range(CLIMBS + 1):
            log_f = self._log_unit + place[:, None]
            slope, information = (
                np.where(self._seen, part, 0.0) for part in self._law.slope(log_f, self._flux, self._sigma)
            )
            total = information.sum(axis=1)
            if climb < CLIMBS:
                step = (slope.sum(axis=1) + prior_slope) / total
                place = np.clip(place + np.clip(step, -1, 1), low, high)
        pull = np.where(self._seen, self._law.pull(log_f, self._flux, self._sigma), 0.0)
        return Peak(place, 1 / np.sqrt(total), self(place[:, None])[:, 0], information, pull, low < high)

    def integral(self, low: Floats, high: Floats) -> tuple[NDArray[np.bool_], Floats]:
        return np.zeros(len(low), dtype=bool), np.empty(len(low))

    def draw(self, low: Floats, high: Floats, uniform: Floats) -> tuple[NDArray[np.bool_], Floats, Floats]:
        return np.zeros(len(low), dtype=bool), np.empty(len(low)), np.empty(len(low))


def _dot(one: Floats | NDArray[np.bool_], other: Floats) -> Floats:
    """Return the sum over bands (n,) of a product (n, B)."""
    return np.einsum("nb,nb->n", one, other)


def _blocks(n: int) -> Iterator[slice]:
    """Yield slices of n rows."""
    return (slice(start, start + BLOCK) for start in range(0, n, BLOCK))
