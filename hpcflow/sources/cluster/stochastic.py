"""The `stochastic` simulator: clusters whose light is that of a finite number of stars.

Per solar mass formed and at 10 pc, band b of a cluster of mass m is

    F_b = F_b(SSP) (sum_k n_k f_kb / m + g_b) / (sum_k r_k f_kb + g_b),    n_k ~ Poisson(m r_k)

with F_b(SSP) the flux of the `ssp` simulator, r_k the number of stars of bin k of an isochrone that form per solar
mass, f_kb the flux of one of them, and g_b that of the stars too faint to be counted. The mean of F_b is F_b(SSP)
whatever isochrone and atmospheres are, which enter as a ratio, and its scatter falls as m^(-1/2). An age between two
isochrones has the stars of one of them, with a probability of its nearness; so has a metallicity.
"""

from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.model.arrays import between
from hpcflow.model.filters import Curve
from hpcflow.model.threads import in_threads
from hpcflow.sources.cluster.atmospheres import Atmospheres, Light
from hpcflow.sources.cluster.bins import Bins, binned
from hpcflow.sources.cluster.chance import counts, keys, uniforms
from hpcflow.sources.cluster.imf import stars_between
from hpcflow.sources.cluster.isochrones import Isochrone, Isochrones
from hpcflow.sources.cluster.parameters import LOG_AGE, LOG_MASS, METALLICITY, REALISATION
from hpcflow.sources.cluster.ssp import SspSimulator

__all__ = ["StochasticSimulator", "stars_of"]

Floats = NDArray[np.floating]

ROWS = 1024  # clusters whose stars are in memory at once
LEAST_Z = 1e-10  # below that of all isochrones, for rows whose metallicity is no number
CHOICES = 2  # numbers that choose an isochrone, before those of its stars


class StochasticSimulator:
    """Simulate the fluxes of clusters of few stars behind a foreground screen.

    Calling it with theta (N, D), columns as `parameters`, returns fluxes (N, B) in mJy at 10 pc per solar mass formed.
    They follow from theta alone: log_age, log_mass and realisation, rounded to 32 bits as libraries store them, are the
    key of all of a cluster's random numbers.

    Args:
        mean: the simulator of the mean fluxes; its parameters are theta's columns but log_mass and realisation.
        parameters: names of theta's columns.
        isochrones: stars at each age.
        atmospheres: what they look like.
        curves: filter curve of each band.
        metallicity: mass fraction of metals, where it is not among the columns.
        threads: number that rows are shared out to.

    Raises:
        InputError: if theta lacks log_mass or realisation.
    """

    def __init__(
        self,
        mean: SspSimulator,
        parameters: tuple[str, ...],
        isochrones: Isochrones,
        atmospheres: Atmospheres,
        curves: Mapping[str, Curve],
        metallicity: float,
        threads: int = 1,
    ) -> None:
        if missing := [name for name in (LOG_AGE, LOG_MASS, REALISATION) if name not in parameters]:
            raise InputError(f"simulator stochastic needs {', '.join(missing)} of each cluster; add it")
        self.parameters, self.bands, self.reasons = parameters, tuple(curves), Counter[str]()
        self.provenance = mean.provenance | {
            "simulator": "stochastic",
            "isochrones_sha256": isochrones.digest,
            "atmospheres_sha256": atmospheres.digest,
        }
        self._mean, self._threads = mean, threads
        self._columns = [parameters.index(name) for name in mean.parameters]
        self._log_age, self._metallicity = isochrones.log_age, metallicity
        log_z = np.log10(isochrones.metallicity)
        used = slice(None) if METALLICITY in parameters else _around(log_z, float(np.log10(metallicity)))
        self._log_z = log_z[used]
        zs = zip(isochrones.metallicity[used], isochrones.table[used], strict=True)
        seen = [(Light(atmospheres, z, curves), of_z) for z, of_z in zs]
        self._stars = _Stars([stars_of(one, light) for light, of_z in seen for one in of_z])

    def __call__(self, theta: Floats) -> Floats:
        """Return fluxes (N, B) of the rows of theta (N, D), in float64."""
        theta = np.asarray(theta, dtype=np.float64)
        flux = np.asarray(self._mean(theta[:, self._columns])) * in_threads(self._ratio, theta, self._threads)
        lost = int(np.isnan(flux[:, 0]).sum())
        self.reasons = Counter({"a parameter is out of range": lost} if lost else {})
        return flux

    def _ratio(self, theta: Floats) -> Floats:
        """Return the fluxes (N, B) over their means."""
        blocks = [theta[start : start + ROWS] for start in range(0, len(theta), ROWS)]
        return np.concatenate([self._of_block(block) for block in blocks]) if blocks else np.empty((0, len(self.bands)))

    def _of_block(self, theta: Floats) -> Floats:
        with np.errstate(over="ignore", invalid="ignore"):
            stored = theta.astype(np.float32).astype(np.float64)
            mass = 10 ** stored[:, self.parameters.index(LOG_MASS)]
            known = np.isfinite(stored).all(axis=1) & np.isfinite(mass) & (mass > 0)
        stored, mass = np.where(known[:, None], stored, 1.0), np.where(known, mass, 1.0)
        by_name = dict(zip(self.parameters, stored.T, strict=True))
        key = keys(*(by_name[name] for name in (LOG_AGE, LOG_MASS, REALISATION)))
        chance = uniforms(key, CHOICES + self._stars.bins)
        age = _one_of(self._log_age, by_name[LOG_AGE], chance[:, 0])
        metallicity = np.maximum(by_name.get(METALLICITY, np.full(len(theta), self._metallicity)), LEAST_Z)
        z = _one_of(self._log_z, np.log10(metallicity), chance[:, 1])
        ratio = self._stars.ratio(z * len(self._log_age) + age, mass, chance[:, CHOICES:])
        return np.where(known[:, None], ratio, np.nan)


def stars_of(isochrone: Isochrone, light: Light) -> Bins:
    """Return the stars of an isochrone in bins."""
    flux = light(isochrone.stars)
    return binned(stars_between(isochrone.mass), (flux[1:] + flux[:-1]) / 2)


class _Stars:
    """Bins of I isochrones side by side, those with fewer bins filled up with empty ones."""

    def __init__(self, isochrones: list[Bins]) -> None:
        self.bins = max(len(one.rate) for one in isochrones)
        bands = len(isochrones[0].rest)
        self._rate = np.zeros((len(isochrones), self.bins))
        self._light = np.zeros((self.bins, len(isochrones), bands))  # over the mean
        self._rest = np.stack([one.rest / one.mean for one in isochrones])
        for i, one in enumerate(isochrones):
            self._rate[i, : len(one.rate)] = one.rate
            self._light[: len(one.rate), i] = one.light / one.mean

    def ratio(self, index: NDArray[np.intp], mass: Floats, uniform: Floats) -> Floats:
        """Return fluxes over their means (N, B) of clusters of isochrones (N,), masses (N,) and chance (N, K)."""
        number = counts(mass[:, None] * self._rate[index], uniform) / mass[:, None]
        found = self._rest[index]
        for k in range(self.bins):  # one by one, so that the last bit does not depend on the number of rows
            found += number[:, k, None] * self._light[k, index]
        return found


def _around(nodes: Floats, x: float) -> slice:
    """Return the one or two nodes that have a share in x, an end beyond the ends."""
    weight = np.interp(x, nodes, np.arange(len(nodes)))
    return slice(int(np.floor(weight)), int(np.ceil(weight)) + 1)


def _one_of(nodes: Floats, x: Floats, uniform: Floats) -> NDArray[np.intp]:
    """Return one of the two nodes around each x (N,), with a probability of its nearness; an end beyond the ends."""
    if len(nodes) == 1:
        return np.zeros(len(x), dtype=np.intp)
    left, share = between(nodes, np.clip(x, nodes[0], nodes[-1]))
    return np.asarray(left + (uniform < share))
