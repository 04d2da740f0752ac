"""How bright stars are in bands: black bodies, corrected by model atmospheres."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.arrays import between
from hpcflow.model.black_body import STEFAN_BOLTZMANN, surface_flux
from hpcflow.model.filters import Curve, band_weights

__all__ = ["Atmospheres", "Light", "shipped_atmospheres"]

Floats = NDArray[np.float64]

TABLE = Path(__file__).parents[2] / "data" / "atmospheres" / "bosz_tlusty.npz"
STEPS = 1000  # the table has logarithms in thousandths
SUN_W = 3.828e26  # IAU 2015
SUN_Z = 0.02
# Temperatures beyond the models, where stars are as much brighter than black bodies as the last of them.
BEYOND = (1500.0, 2000.0, 2400.0, 65_000.0, 80_000.0, 100_000.0, 140_000.0, 200_000.0, 300_000.0)
LEAST = 1e-300  # of fluxes, which need a logarithm
NODES = 1000  # wavelengths at which spectra are sampled, besides those of the curves


@dataclass(frozen=True)
class Atmospheres:
    """Model atmospheres on a grid of [M/H] (M,), temperature (T,) in K and log g (G,).

    Args:
        log_z: [M/H].
        teff: temperatures.
        log_g: log10 of gravity in cm/s^2.
        wl_nm: wavelengths (W,), between which the logarithm of the ratio is linear in that of the wavelength.
        log_ratio: (M, T, G, W) log10 of the flux over that of a black body.
    """

    log_z: Floats
    teff: Floats
    log_g: Floats
    wl_nm: Floats
    log_ratio: Floats

    @property
    def digest(self) -> str:
        """A hash of the grid's numbers, kept in every store that used it."""
        parts = (self.log_z, self.teff, self.log_g, self.wl_nm, self.log_ratio)
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()[:16]


class Light:
    """The fluxes of stars of one metallicity in bands.

    Args:
        atmospheres: model atmospheres; those of the nearest [M/H] are used.
        metallicity: mass fraction of metals.
        curves: filter curve of each of the B bands.
    """

    def __init__(self, atmospheres: Atmospheres, metallicity: float, curves: Mapping[str, Curve]) -> None:
        nearest = int(np.argmin(np.abs(atmospheres.log_z - np.log10(metallicity / SUN_Z))))
        teff = np.sort(np.append(atmospheres.teff, BEYOND))
        rows = np.searchsorted(atmospheres.teff, np.clip(teff, atmospheres.teff[0], atmospheres.teff[-1]))
        ends = [curve.wavelength_nm[end] for curve in curves.values() for end in (0, -1)]
        wl_nm = np.geomspace(min(ends) * (1 - 1e-9), max(ends) * (1 + 1e-9), NODES)
        known = atmospheres.wl_nm
        left, share = between(np.log(known), np.log(np.clip(wl_nm, known[0], known[-1])))
        log_ratio = atmospheres.log_ratio[nearest, rows]
        ratio = 10 ** (log_ratio[..., left] * (1 - share) + log_ratio[..., left + 1] * share)
        area = SUN_W / (STEFAN_BOLTZMANN * teff**4)  # in m^2, of a star of the Sun's luminosity
        spectra = ratio * (area[:, None] * surface_flux(teff[:, None], wl_nm))[:, None]  # W / nm
        weights = np.stack([band_weights(curve, wl_nm) for curve in curves.values()], axis=1)
        self._log_flux = np.log10(np.maximum(spectra @ weights, LEAST))  # (T', G, B)
        self._log_teff, self._log_g = np.log10(teff), atmospheres.log_g

    def __call__(self, stars: Floats) -> Floats:
        """Return the fluxes (N, B) in mJy at 10 pc of stars (N, 3): log10 of luminosity, temperature and gravity."""
        log_l, log_teff, log_g = stars.T
        left, along = between(self._log_teff, np.clip(log_teff, self._log_teff[0], self._log_teff[-1]))
        below, up = between(self._log_g, np.clip(log_g, self._log_g[0], self._log_g[-1]))
        along, up = along[:, None], up[:, None]
        of = self._log_flux
        cool, hot = ((1 - up) * of[t, below] + up * of[t, below + 1] for t in (left, left + 1))
        return np.asarray(10 ** (log_l[:, None] + (1 - along) * cool + along * hot))


@cache
def shipped_atmospheres() -> Atmospheres:
    """Return the model atmospheres that travel with the package."""
    with np.load(TABLE) as file:
        log_z, teff, log_g, wl_nm = (file[name] for name in ("log_z", "teff", "log_g", "wl_nm"))
        return Atmospheres(log_z, teff, log_g, wl_nm, file["log_ratio"] / STEPS)
