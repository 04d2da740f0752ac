"""Filter curves and the weights that turn a spectrum on its own nodes into a band's flux."""

import hashlib
import warnings
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import InputError

__all__ = ["Curve", "band_weights", "line_weights", "load_curve", "shipped_curves"]

Floats = NDArray[np.floating]

FOLDER = Path(__file__).parent.parent / "data" / "filters"
LIGHT_M_PER_S = 299_792_458.0
PARSEC_M = 3.0856775814913673e16
MJY_PER_SI = 1e29  # 1 W m^-2 Hz^-1 in mJy


@dataclass(frozen=True)
class Curve:
    """A band's total photon throughput on wavelength nodes, both (K,), in nm and electrons per photon."""

    wavelength_nm: Floats
    throughput: Floats

    @property
    def pivot_nm(self) -> float:
        """Pivot wavelength in nm, sqrt(int T l dl / int T / l dl)."""
        wl, t = self.wavelength_nm, self.throughput
        return float(np.sqrt(np.trapezoid(t * wl, wl) / np.trapezoid(t / wl, wl)))

    @property
    def digest(self) -> str:
        """A hash of the curve's numbers, kept in every store that used it."""
        return hashlib.sha256(np.stack([self.wavelength_nm, self.throughput]).tobytes()).hexdigest()[:16]


def shipped_curves() -> list[str]:
    """Return the names of the curves that travel with the package."""
    return sorted(p.stem for p in FOLDER.glob("*.txt"))


def load_curve(name_or_path: str) -> Curve:
    """Return a shipped curve by name, or read one from a two-column file (Angstrom, photon throughput).

    Raises:
        InputError: if there is no such curve, or the file does not hold one.
    """
    path = FOLDER / f"{name_or_path}.txt"
    if not path.is_file():
        path = Path(name_or_path)
    if not path.is_file():
        alike = get_close_matches(name_or_path.upper(), shipped_curves(), cutoff=0.5)
        remedy = f"did you mean {' or '.join(alike)}?" if alike else "give a path, or a name such as ACS_WFC.F814W"
        raise InputError(
            f"filter curve {name_or_path} is neither a file nor shipped; {remedy} (docs/models.md lists all that ship)"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an empty file is a warning in numpy
            angstrom, throughput = np.loadtxt(path, ndmin=2, usecols=(0, 1)).T
    except (ValueError, UserWarning) as e:
        raise InputError(f"filter curve {path}: expected two columns of numbers, Angstrom and throughput ({e})") from e
    finite = np.isfinite(angstrom).all() and np.isfinite(throughput).all()
    if len(angstrom) < 2 or not finite or angstrom[0] <= 0 or (np.diff(angstrom) <= 0).any():
        raise InputError(f"filter curve {path}: wavelengths must be positive and ascending, and all numbers finite")
    if not throughput.max() > 0 or throughput.min() < 0:
        raise InputError(f"filter curve {path}: throughputs must not be negative, and at least one must be positive")
    return Curve(angstrom / 10.0, throughput)


def band_weights(curve: Curve, wavelength_nm: Floats) -> Floats:
    """Return weights w (W,) with which sum_j w_j L_j is the band's flux at 10 pc in mJy.

    L is a luminosity per wavelength (W/nm) on the given nodes, linear between them. The trapezoid rule integrates it on
    the union of the spectrum's nodes inside the band and the filter's nodes; the integral is divided by int T c/l dl
    and by 4 pi (10 pc)^2. This is CIGALE's convention (Boquien et al. 2019, A&A 622, A103).

    Args:
        curve: the band's photon throughput.
        wavelength_nm: (W,) nodes of the spectrum in nm, ascending.

    Raises:
        InputError: if the spectrum does not cover the band.
    """
    first, last = curve.wavelength_nm[0], curve.wavelength_nm[-1]
    if first < wavelength_nm[0] or last > wavelength_nm[-1]:
        raise InputError(
            f"the SSP table covers {wavelength_nm[0]:.1f}-{wavelength_nm[-1]:.1f} nm but a filter curve needs "
            f"{first:.1f}-{last:.1f} nm; use a wider table, or trim the curve"
        )
    inside = (wavelength_nm >= first) & (wavelength_nm <= last)
    nodes = np.union1d(wavelength_nm[inside], curve.wavelength_nm)
    step = np.diff(nodes)
    trapezoid = np.concatenate([[0.0], step]) / 2 + np.concatenate([step, [0.0]]) / 2
    throughput = np.interp(nodes, curve.wavelength_nm, curve.throughput)
    integrand = trapezoid * throughput * nodes

    left = np.clip(np.searchsorted(wavelength_nm, nodes, side="right") - 1, 0, len(wavelength_nm) - 2)
    share = (nodes - wavelength_nm[left]) / (wavelength_nm[left + 1] - wavelength_nm[left])
    weights = np.zeros(len(wavelength_nm))
    np.add.at(weights, left, integrand * (1 - share))
    np.add.at(weights, left + 1, integrand * share)

    return _flux_per_power(curve, weights)


def line_weights(curve: Curve, wavelength_nm: Floats) -> Floats:
    """Return weights w (L,) with which sum_l w_l L_l is the band's flux at 10 pc in mJy of lines of luminosity L (W).

    Args:
        curve: the band's photon throughput.
        wavelength_nm: (L,) wavelengths of the lines in nm.
    """
    throughput = np.interp(wavelength_nm, curve.wavelength_nm, curve.throughput, left=0.0, right=0.0)
    return _flux_per_power(curve, throughput * wavelength_nm)


def _flux_per_power(curve: Curve, weights: Floats) -> Floats:
    """Return the band's flux at 10 pc in mJy for what it counts of a luminosity, throughput times wavelength (nm)."""
    wl, t = curve.wavelength_nm, curve.throughput
    per_frequency = np.trapezoid(t * LIGHT_M_PER_S * 1e9 / wl, wl)  # int T c/l dl in nm/s
    area = 4 * np.pi * (10 * PARSEC_M) ** 2
    return weights / per_frequency / area * MJY_PER_SI
