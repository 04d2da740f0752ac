"""The galaxies of the survey: names, distances, and which instrument took which filter."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.table import Table

__all__ = [
    "bands_of",
    "distance_error_of",
    "distance_of",
    "galaxies",
    "instrument_of",
    "normalise_galaxy",
    "survey_bands",
]

FILE = Path(__file__).parent.parent / "data" / "galaxies.ecsv"

# Galaxies in another's field and at its distance. NGC 1510 interacts with NGC 1512 (Koribalski & Lopez-Sanchez 2009,
# MNRAS 400, 1749); it is none of PHANGS's targets, but DR5 lists its clusters in the mosaic of NGC 1512 under its name.
COMPANIONS = {"NGC1510": "NGC1512"}

_NUMBERED = re.compile(r"(NGC|IC)[\s_-]*0*(\d+)[\s_-]*([A-Z]{0,2})")


def normalise_galaxy(name: str) -> str:
    """Return a galaxy's name in capitals without blanks, with four digits in NGC and IC numbers.

    >>> normalise_galaxy("ngc 1566"), normalise_galaxy("ngc628-c"), normalise_galaxy("IC 1954")
    ('NGC1566', 'NGC0628C', 'IC1954')
    """
    name = name.strip().upper()
    if match := _NUMBERED.fullmatch(name):
        catalogue, number, pointing = match.groups()
        return f"{catalogue}{int(number):04d}{pointing}"
    return re.sub(r"\s+", "", name)


def galaxies() -> Table:
    """Return the table of the survey's galaxies that travels with the package.

    Columns: galaxy, ra, dec [deg], distance [Mpc], distance_error_dex, distance_method, legus_distance [Mpc]
    and bands, the names of the galaxy's filter curves separated by blanks.
    """
    return _read(FILE).copy()


def distance_of(galaxy: str, source: str = "phangs") -> float | None:
    """Return a galaxy's distance in Mpc, or None if the table lacks it.

    A galaxy observed in several pointings may be called by its own name: NGC0628 stands for NGC0628C and NGC0628E.
    A companion has the distance of the galaxy in whose field it lies (`COMPANIONS`).

    Args:
        galaxy: its name.
        source: "phangs" (Anand et al. 2021), or "legus" for the distance that LEGUS used, if it has one.

    >>> distance_of("NGC1566"), distance_of("NGC1566", "legus"), distance_of("NGC1365", "legus")
    (17.69, 18.0, 19.57)
    """
    found = {e.legus if source == "legus" and np.isfinite(e.legus) else e.distance for e in _entries(galaxy)}
    return found.pop() if len(found) == 1 else None


def distance_error_of(galaxy: str) -> float | None:
    """Return the standard deviation of log10 of a galaxy's distance in dex, or None if the table lacks it.

    >>> distance_error_of("NGC 1566"), distance_error_of("M31")
    (0.047, None)
    """
    found = {e.error for e in _entries(galaxy)}
    return found.pop() if len(found) == 1 else None


def bands_of(galaxy: str) -> tuple[str, ...] | None:
    """Return the curves of the bands that a galaxy's pointings share, or None if it is unknown."""
    entries = _entries(galaxy)
    if not entries:
        return None
    return tuple(band for band in entries[0].bands if all(band in e.bands for e in entries))


def instrument_of(galaxy: str, filter_name: str) -> str | None:
    """Return the instrument (WFC3_UVIS, ACS_WFC) that observed a galaxy in a filter, or None if unknown.

    If both did, it is the one that the galaxies table lists first.
    """
    for band in bands_of(galaxy) or ():
        instrument, _, name = band.partition(".")
        if name == filter_name:
            return instrument
    return None


def survey_bands() -> list[str]:
    """Return the curves of the bands in which any of the survey's galaxies was observed, sorted."""
    return sorted({band for entry in _index(FILE).values() for band in entry.bands})


class _Entry(NamedTuple):
    """One galaxy: distances in Mpc, error in dex, names of its curves."""

    distance: float
    error: float
    legus: float
    bands: tuple[str, ...]


@cache
def _read(path: Path) -> Table:
    return Table.read(path, format="ascii.ecsv")


@cache
def _index(path: Path) -> dict[str, _Entry]:
    return {
        normalise_galaxy(str(row["galaxy"])): _Entry(
            float(row["distance"]),
            float(row["distance_error_dex"]),
            float(row["legus_distance"]),
            tuple(str(row["bands"]).split()),
        )
        for row in _read(path)
    }


def _entries(galaxy: str) -> list[_Entry]:
    index, name = _index(FILE), normalise_galaxy(galaxy)
    name = COMPANIONS.get(name, name)
    if name in index:
        return [index[name]]
    return [entry for key, entry in index.items() if key[:-1] == name and key[-1].isalpha()]
