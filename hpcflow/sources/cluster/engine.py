"""Fluxes from parameters by means of tables on one device, in the library of the given arrays."""

import math
from collections.abc import Sequence

import numpy as np
from array_api_compat import array_namespace, device

from hpcflow.model.arrays import Array, between, blocks
from hpcflow.sources.cluster.ages import AgeAxis
from hpcflow.sources.cluster.band import Band
from hpcflow.sources.cluster.series import Series
from hpcflow.sources.cluster.surface import Surface

__all__ = ["Engine"]

BLOCK = 4096  # rows that are summed over wavelengths at once


class Engine:
    """Fluxes of mixtures of spectra behind screens, by polynomials where valid, else by the sum over wavelengths.

    All its tables are arrays of its own or of its members, so that `arrays.moved` can take it to another device. A
    band's spectra are those of all ages at the first metallicity, then at the next.

    Args:
        axis: the tables' ages.
        log_z: log10 of the tables' metallicities (Z,), ascending; zero for a single table.
        bands: weighted spectra.
        quick: polynomials in place of the sum, or None.
    """

    def __init__(self, axis: AgeAxis, log_z: Array, bands: Sequence[Band], quick: Series | Surface | None) -> None:
        self._axis, self._log_z, self._bands, self._quick = axis, log_z, list(bands), quick
        self._tables = len(log_z)
        self._ages = len(self._bands[0].spectra) // self._tables

    def __call__(self, log_age: Array, ebv: Array, r_v: Array, metallicity: Array) -> Array:
        """Return fluxes (N, B) for log_age [dex(yr)], E(B-V) [mag], R_V and Z (N,) each; NaN where there are none."""
        xp = array_namespace(log_age)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            age, log_z = xp.exp(math.log(10) * (log_age - 6)), self._height(metallicity)
            good = self._axis.holds(age) & (ebv >= 0) & (r_v > 0) & xp.isfinite(ebv * r_v)
            good &= (log_z >= self._log_z[0]) & (log_z <= self._log_z[-1])
            quick = good & self._quick.covers(ebv, r_v) if self._quick else good & False
        flux = xp.full((len(age), len(self._bands)), math.nan, dtype=age.dtype, device=device(age))
        if self._quick and xp.any(quick):
            some = slice(None) if xp.all(quick) else xp.nonzero(quick)[0]
            flux[some] = self._quick(*self._corners(age[some], log_z[some]), ebv[some], r_v[some])
        others = xp.nonzero(good & ~quick)[0]
        for part in blocks(others, BLOCK):
            rows = others[part]
            flux[rows] = self._sum(*self._corners(age[rows], log_z[rows]), ebv[rows], r_v[rows])
        return flux

    def integrate(self, age_myr: Array, ebv: Array, r_v: Array, metallicity: Array) -> Array:
        """Return fluxes (N, B) by the sum over wavelengths itself, for ages [Myr], E(B-V), R_V and Z (N,) each."""
        return self._sum(*self._corners(age_myr, self._height(metallicity)), ebv, r_v)

    def _sum(self, index: Array, weight: Array, ebv: Array, r_v: Array) -> Array:
        fluxes = [band.flux(index, weight, ebv, r_v) for band in self._bands]
        return array_namespace(ebv).stack(fluxes, axis=1)

    def _height(self, metallicity: Array) -> Array:
        """Return log Z, or zeros for a single table."""
        xp = array_namespace(metallicity)
        return xp.log10(metallicity) if self._tables > 1 else xp.zeros_like(metallicity)

    def _corners(self, age_myr: Array, log_z: Array) -> tuple[Array, Array]:
        """Return indices (N, M) of the spectra around each age and metallicity, and their weights (N, M)."""
        xp = array_namespace(age_myr)
        left, share = self._axis.bracket(age_myr)
        index, weight = xp.stack([left, left + 1], axis=1), xp.stack([1 - share, share], axis=1)
        if self._tables == 1:
            return index, weight
        below, up = between(self._log_z, log_z)
        up, index = up[:, None], index + (below * self._ages)[:, None]
        return xp.concat([index, index + self._ages], axis=1), xp.concat([weight * (1 - up), weight * up], axis=1)
