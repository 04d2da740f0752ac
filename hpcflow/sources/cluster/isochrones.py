"""Isochrones: the stars of each initial mass that live at an age."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["Isochrone", "Isochrones", "load_isochrones"]

Floats = NDArray[np.float64]

FOLDER = Path(__file__).parents[2] / "data" / "isochrones"
STEPS = 1000  # the table that ships has logarithms in thousandths


@dataclass(frozen=True)
class Isochrone:
    """Living stars of one age and metallicity: initial masses (P,) in ascending order, and what they are.

    Args:
        mass: in solar masses.
        stars: log10 of luminosity (L_sun), temperature (K) and gravity (cm/s^2), (P, 3).
    """

    mass: Floats
    stars: Floats


@dataclass(frozen=True)
class Isochrones:
    """Isochrones on a grid of log10 of age in yr (A,) and metallicity (Z,), both ascending; `table[z][a]` is one."""

    log_age: Floats
    metallicity: Floats
    table: tuple[tuple[Isochrone, ...], ...]

    @property
    def digest(self) -> str:
        """A hash of all numbers, kept in every store that used them."""
        found = hashlib.sha256(self.log_age.tobytes() + self.metallicity.tobytes())
        for one in (one for of_z in self.table for one in of_z):
            found.update(one.mass.tobytes() + one.stars.tobytes())
        return found.hexdigest()[:16]


def load_isochrones(name_or_path: str) -> Isochrones:
    """Return the isochrones that ship, by name, or others from a file."""
    with np.load(FOLDER / f"{name_or_path}.npz") as file:
        counts, mass = file["stars"], file["mass"]
        stars = np.stack([file[name] / STEPS for name in ("log_l", "log_teff", "log_g")], axis=1)
        ends = np.cumsum(counts.ravel())
        parts = [Isochrone(mass[a:b], stars[a:b]) for a, b in zip(ends - counts.ravel(), ends, strict=True)]
        ages = counts.shape[1]
        table = tuple(tuple(parts[z * ages : (z + 1) * ages]) for z in range(len(counts)))
        return Isochrones(file["log_age"], file["metallicity"], table)
