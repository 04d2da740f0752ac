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

    All its tables are arrays of its own or of its members, so that `arrays.moved` can take it to another device. Fluxes
    are linear in age and along the further axes. A band's spectra are those of all ages at the first node of each axis,
    then at the next node of the first axis, and so on.

    Args:
        axis: the tables' ages.
        nodes: of each further axis (K,), ascending, log10 Z first; an axis with a single node takes any value.
        bands: weighted spectra.
        quick: polynomials in place of the sum, or None.
    """

    def __init__(
        self, axis: AgeAxis, nodes: Sequence[Array], bands: Sequence[Band], quick: Series | Surface | None
    ) -> None:
        self._axis, self._nodes, self._bands, self._quick = axis, list(nodes), list(bands), quick
        self._ages = len(self._bands[0].spectra) // math.prod(len(some) for some in nodes)

    def __call__(self, log_age: Array, ebv: Array, r_v: Array, metallicity: Array, *more: Array) -> Array:
        """Return fluxes (N, B) for log_age [dex(yr)], E(B-V) [mag], R_V, Z and values on further axes (N,) each.

        Rows for which there are none are NaN.
        """
        xp = array_namespace(log_age)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            age, places = _myr(log_age), (xp.log10(metallicity), *more)
            good = self._axis.holds(age) & (ebv >= 0) & (r_v > 0) & xp.isfinite(ebv * r_v)
            for nodes, place in zip(self._nodes, places, strict=True):
                if len(nodes) > 1:
                    good &= (place >= nodes[0]) & (place <= nodes[-1])
            quick = good & self._quick.covers(ebv, r_v) if self._quick else good & False
        flux = xp.full((len(age), len(self._bands)), math.nan, dtype=age.dtype, device=device(age))
        if self._quick and xp.any(quick):
            some = slice(None) if xp.all(quick) else xp.nonzero(quick)[0]
            flux[some] = self._quick(*self._corners(age[some], [p[some] for p in places]), ebv[some], r_v[some])
        others = xp.nonzero(good & ~quick)[0]
        for part in blocks(others, BLOCK):
            rows = others[part]
            flux[rows] = self._sum(*self._corners(age[rows], [p[rows] for p in places]), ebv[rows], r_v[rows])
        return flux

    def reaches(self, log_age: Array) -> Array:
        """Return for which log_age (N,) there are spectra."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self._axis.holds(_myr(log_age))

    def integrate(self, age_myr: Array, ebv: Array, r_v: Array, metallicity: Array, *more: Array) -> Array:
        """Return fluxes (N, B) by the sum over wavelengths itself, for ages [Myr] and the rest as when called."""
        log_z = array_namespace(metallicity).log10(metallicity)
        return self._sum(*self._corners(age_myr, [log_z, *more]), ebv, r_v)

    def _sum(self, index: Array, weight: Array, ebv: Array, r_v: Array) -> Array:
        fluxes = [band.flux(index, weight, ebv, r_v) for band in self._bands]
        return array_namespace(ebv).stack(fluxes, axis=1)

    def _corners(self, age_myr: Array, places: Sequence[Array]) -> tuple[Array, Array]:
        """Return indices (N, M) of the spectra around each age and place on further axes, and their weights (N, M)."""
        xp = array_namespace(age_myr)
        left, share = self._axis.bracket(age_myr)
        index, weight = xp.stack([left, left + 1], axis=1), xp.stack([1 - share, share], axis=1)
        stride = self._ages
        for nodes, place in zip(self._nodes, places, strict=True):
            if len(nodes) > 1:
                below, up = between(nodes, place)
                up, index = up[:, None], index + (below * stride)[:, None]
                index = xp.concat([index, index + stride], axis=1)
                weight = xp.concat([weight * (1 - up), weight * up], axis=1)
            stride *= len(nodes)
        return index, weight


def _myr(log_age: Array) -> Array:
    return array_namespace(log_age).exp(math.log(10) * (log_age - 6))
