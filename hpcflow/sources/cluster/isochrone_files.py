"""Isochrones in the text formats of others: PARSEC's CMD, MIST's .iso, and whatever else names its columns as they do.

A line that begins with # names the columns; of several, the last before the first star. MIST says the metallicity in
such a line, too, and PARSEC in a column; a file without either is of one metallicity, which is that of the model.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import InputError

__all__ = ["Group", "read_text"]

Floats = NDArray[np.float64]


class Group(NamedTuple):
    """Stars of one metallicity, NaN if the file does not say it, and of one log age, in the order of initial mass."""

    metallicity: float
    log_age: float
    mass: Floats
    stars: Floats  # (P, 3)


class _Column(NamedTuple):
    """A column: what it is, its names in lower case, and the values that make sense."""

    meaning: str
    names: tuple[str, ...]
    low: float
    high: float


LOG_AGE = _Column("log10 of the age in yr", ("logage", "log(age/yr)", "log10_isochrone_age_yr", "log(age)"), 3.0, 10.5)
AGE = _Column("the age in yr", ("isochrone_age_yr", "age/yr", "age"), 1e3, 10**10.5)
NEEDED = (
    _Column("the initial mass in solar masses", ("mini", "m_ini", "initial_mass"), 0.01, 1000.0),
    _Column("log10 of the luminosity in solar ones", ("logl", "logl/lo", "log_l"), -10.0, 8.0),
    _Column("log10 of the temperature in K", ("logte", "log_teff", "logt"), 2.5, 6.5),
    _Column("log10 of the gravity in cm/s^2", ("logg", "log_g"), -4.0, 10.0),
)
METALLICITY = _Column("the mass fraction of metals", ("zini", "z"), 1e-8, 0.5)
REMNANT = 6.5  # log10 of gravity that no living star has
NOTHING = -9.0  # log10 of luminosity of what is not to be seen


def read_text(path: Path) -> list[Group]:
    """Return the isochrones of a text file, in the order of metallicity and age.

    Raises:
        InputError: if the file does not name its columns, lacks one, or holds numbers that cannot be what they should.
    """
    try:
        names, z = _header(path)
        age = LOG_AGE if set(LOG_AGE.names) & set(names) else AGE
        needed = [age, *NEEDED, *([METALLICITY] if set(METALLICITY.names) & set(names) else [])]
        columns = [next((k for k, name in enumerate(names) if name in one.names), -1) for one in needed]
        if -1 in columns:
            lacking = needed[columns.index(-1)]
            raise InputError(
                f"isochrones {path} lack a column of {lacking.meaning}; name one {' or '.join(lacking.names)}"
            )
        table = np.loadtxt(path, ndmin=2, usecols=columns).T
    except (OSError, ValueError) as e:
        raise InputError(f"isochrones {path} are not columns of numbers under a line of names: {e}") from e
    for one, values in zip(needed, table, strict=True):
        _refuse_nonsense(path, one, values)
    log_age = np.round(table[0] if age is LOG_AGE else np.log10(table[0]), 6)
    metals = table[5] if len(table) > 5 else np.full(len(log_age), z)
    return list(_groups(metals, log_age, table[1:5].T))


def _header(path: Path) -> tuple[list[str], float]:
    """Return the names of the columns in lower case, and the metallicity that MIST's header says, or NaN."""
    names: list[str] = []
    z, of_mist = np.nan, False
    with path.open(encoding="utf-8") as file:
        for line in file:
            words = line.lower().lstrip("# \t").split()
            if words and not line.lstrip().startswith("#"):
                return names, z
            if of_mist:
                z, of_mist = float(words[1]), False
            of_mist = words[:2] == ["yinit", "zinit"]
            names = words or names
    raise ValueError("it has no stars")


def _refuse_nonsense(path: Path, column: _Column, values: Floats) -> None:
    wrong = values[~((values >= column.low) & (values <= column.high))]
    if len(wrong):
        raise InputError(
            f"isochrones {path}: {wrong[0]:g} is not {column.meaning}, which lies between {column.low:g} and "
            f"{column.high:.4g}; export them in these units"
        )


def _groups(metallicity: Floats, log_age: Floats, rows: Floats) -> Iterator[Group]:
    """Yield the living stars by metallicity and age."""
    alive = (rows[:, 1] > NOTHING) & (rows[:, 3] < REMNANT)
    metallicity, log_age, rows = metallicity[alive], log_age[alive], rows[alive]
    known = np.nan_to_num(metallicity, nan=-1.0)
    for z in np.unique(known):
        for age in np.unique(log_age[known == z]):
            own = rows[(known == z) & (log_age == age)]
            own = own[np.argsort(own[:, 0], kind="stable")]
            own = own[np.append(True, np.diff(own[:, 0]) > 0)]
            yield Group(z if z > 0 else np.nan, float(age), own[:, 0].copy(), own[:, 1:].copy())
