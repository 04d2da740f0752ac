"""Isochrones: the stars of each initial mass that live at an age."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.sources.cluster.imf import HEAVIEST
from hpcflow.sources.cluster.isochrone_files import Group, read_text

__all__ = ["Isochrone", "Isochrones", "load_isochrones"]

Floats = NDArray[np.float64]

FOLDER = Path(__file__).parents[2] / "data" / "isochrones"
STEPS = 1000  # the table that ships has logarithms in thousandths
# What isochrones of others must have: masses in solar masses, and log10 of ages in yr.
MOST_LIGHT, LARGEST_STEP, LEAST_HEAVY = 0.3, 1.6, 80.0
ALL_LIVE = 6.4  # log age at which no star of less than 100 solar masses has died
LARGEST_AGE_STEP = 0.2
NEAR = 2.0  # factor between metallicities that still are alike


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


def load_isochrones(
    name_or_path: str, metallicity: float = np.nan, ages: tuple[float, float] | None = None
) -> Isochrones:
    """Return the isochrones that ship, by name, or others from a text file.

    Args:
        name_or_path: `sse`, or the path of a file of PARSEC's or MIST's; see `isochrone_files`.
        metallicity: mass fraction of metals that they are needed for, NaN if that is free.
        ages: lowest and highest log10 of the ages in yr that they are needed for.

    Raises:
        InputError: if there is no such file, its form is unknown, or it lacks ages, masses or the metallicity.
    """
    if (shipped := FOLDER / f"{name_or_path}.npz").is_file():
        return _read_shipped(shipped)
    path = Path(name_or_path)
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in FOLDER.glob("*.npz")))
        raise InputError(f"isochrones {path} are neither a file nor shipped; those that ship are {names}")
    if not (groups := read_text(path)):
        raise InputError(f"isochrones {path} have no living stars; give a file of stars that shine")
    for one in groups:
        _refuse_gaps(path, one)
    log_age = np.unique([one.log_age for one in groups])
    if np.isnan(groups[0].metallicity):
        if np.isnan(metallicity):
            raise InputError(f"isochrones {path} do not say their metallicity; fix model.fixed.metallicity, or add it")
        groups = [one._replace(metallicity=metallicity) for one in groups]
    metals = np.unique([one.metallicity for one in groups])
    if len(groups) != len(log_age) * len(metals):
        z, age = next((z, age) for z in metals for age in log_age if not _has(groups, z, age))
        raise InputError(f"isochrones {path} lack log age {age:g} at metallicity {z:g}; give every one the same ages")
    _refuse_range(path, log_age, ages)
    if not metals[0] / NEAR <= metallicity <= metals[-1] * NEAR and not np.isnan(metallicity):
        raise InputError(
            f"isochrones {path} are of metallicity {metals[0]:g} to {metals[-1]:g}, far from {metallicity:g}; take "
            "those of one that is near"
        )
    parts = [Isochrone(one.mass, one.stars) for one in groups]
    count = len(log_age)
    return Isochrones(log_age, metals, tuple(tuple(parts[k * count : (k + 1) * count]) for k in range(len(metals))))


def _read_shipped(path: Path) -> Isochrones:
    with np.load(path) as file:
        counts, mass = file["stars"], file["mass"]
        stars = np.stack([file[name] / STEPS for name in ("log_l", "log_teff", "log_g")], axis=1)
        ends = np.cumsum(counts.ravel())
        parts = [Isochrone(mass[a:b], stars[a:b]) for a, b in zip(ends - counts.ravel(), ends, strict=True)]
        ages = counts.shape[1]
        table = tuple(tuple(parts[z * ages : (z + 1) * ages]) for z in range(len(counts)))
        return Isochrones(file["log_age"], file["metallicity"], table)


def _has(groups: Sequence[Group], metallicity: float, log_age: float) -> bool:
    return any(one.metallicity == metallicity and one.log_age == log_age for one in groups)


def _refuse_gaps(path: Path, one: Group) -> None:
    """Raise if an isochrone lacks stars of some mass, at its ends or between."""
    mass = one.mass
    step = mass[1:] / mass[:-1]
    if mass[0] > MOST_LIGHT:
        gap = f"begins at {mass[0]:g} solar masses; it needs stars from {MOST_LIGHT:g} on"
    elif len(step) and step.max() > LARGEST_STEP:
        k = int(step.argmax())
        gap = f"has no star between {mass[k]:g} and {mass[k + 1]:g} solar masses; fill the gap"
    elif one.log_age <= ALL_LIVE and mass[-1] < LEAST_HEAVY:
        gap = f"ends at {mass[-1]:g} solar masses, though all stars live at that age; it needs those up to {HEAVIEST:g}"
    else:
        return
    raise InputError(f"isochrones {path}: that of log age {one.log_age:g} {gap}")


def _refuse_range(path: Path, log_age: Floats, ages: tuple[float, float] | None) -> None:
    """Raise if ages are missing, between those of the isochrones or beyond them."""
    step = np.diff(log_age)
    if len(step) and step.max() > LARGEST_AGE_STEP:
        k = int(step.argmax())
        raise InputError(
            f"isochrones {path} lack ages between log age {log_age[k]:g} and {log_age[k + 1]:g}; give steps of "
            f"{LARGEST_AGE_STEP:g} dex at most"
        )
    if ages and (ages[0] < log_age[0] - LARGEST_AGE_STEP or ages[1] > log_age[-1] + LARGEST_AGE_STEP):
        raise InputError(
            f"isochrones {path} have log ages from {log_age[0]:g} to {log_age[-1]:g}, but model.parameters.log_age goes"
            f" from {ages[0]:g} to {ages[1]:g}; narrow it, or give more ages"
        )
