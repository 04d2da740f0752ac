"""One band of an SSP simulator: weighted spectra, the screen at their wavelengths, and the sum over them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.model.arrays import Array
from hpcflow.model.extinction import LAWS
from hpcflow.model.filters import Curve, band_weights
from hpcflow.model.tables import SspTable
from hpcflow.sources.cluster.ages import AgeAxis

__all__ = ["Band", "weigh"]

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Band:
    """One band's weighted spectra (R, J), metallicity by metallicity and age by age, and the screen's a and b (J,)."""

    spectra: Array
    a: Array
    b: Array

    def screened(self, ebv: Floats, r_v: Floats | float) -> Floats:
        """Return the fluxes (R, E) of all spectra behind screens of E(B-V) (E,) and one R_V, or as many (E,)."""
        extinction = (r_v * self.a[:, None] + self.b[:, None]) * ebv
        return self.spectra @ 10 ** (-0.4 * extinction)

    def mean(self) -> tuple[float, float]:
        """Return the spectra's mean a and b: R_V a + b is their mean extinction in mag per E(B-V)."""
        weights = np.abs(self.spectra).mean(axis=0)
        return float(np.average(self.a, weights=weights)), float(np.average(self.b, weights=weights))

    def flux(self, index: Array, weight: Array, ebv: Array, r_v: Array) -> Array:
        """Return the fluxes (N,) of mixtures of spectra, index and weight (N, M), behind screens of E(B-V) and R_V."""
        xp = array_namespace(weight)
        spectra = xp.einsum("nm,nmj->nj", weight, self.spectra[index])
        extinction = ebv[:, None] * (r_v[:, None] * self.a + self.b)
        return xp.einsum("nj,nj->n", spectra, 10 ** (-0.4 * extinction))


def weigh(tables: Sequence[SspTable], axis: AgeAxis, curve: Curve, extinction: str) -> Band:
    """Return the band of a filter curve for tables on the same ages and wavelengths.

    Args:
        tables: one for each metallicity.
        axis: over the tables' ages.
        curve: of the filter.
        extinction: name of the law, see `hpcflow.model.extinction`.

    Raises:
        InputError: if the law is not defined at some wavelength of the band.
    """
    wl_nm = tables[0].wl_nm
    weights = band_weights(curve, wl_nm)
    used = np.flatnonzero(weights)
    a, b = LAWS[extinction](wl_nm[used])
    if not np.isfinite(a).all():
        raise InputError(f"extinction {extinction} is not defined in all of a band; it holds from 100 to 3333 nm")
    spectra = [axis.extend((table.spec[used] * weights[used, None]).T) for table in tables]
    return Band(np.concatenate(spectra), a, b)
