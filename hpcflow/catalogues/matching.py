"""Which catalogue column is which band: the same filter name is another curve on another instrument."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.catalogues.galaxies import bands_of, instrument_of
from hpcflow.model.filters import shipped_curves
from hpcflow.store.flags import LEAST_BANDS, SPELT

__all__ = ["Band", "lacking", "parse_bands", "rows_of"]

_FILTER = re.compile(r"F\d{3}[A-Z]+", re.IGNORECASE)


@dataclass(frozen=True)
class Band:
    """A band of the config: its label, curve, HST filter and instrument (None: whichever it was)."""

    label: str
    curve: str
    filter_name: str
    instrument: str | None


def parse_bands(bands: Mapping[str, str]) -> tuple[Band, ...]:
    """Return the bands of a config's mapping, label -> shipped curve or path.

    A shipped curve stands for one instrument and filter; for any other curve the label is the filter's name.
    """
    shipped = set(shipped_curves())
    parsed = []
    for label, curve in bands.items():
        instrument, _, filter_name = curve.partition(".")
        known = curve in shipped
        parsed.append(Band(label, curve, filter_name if known else label, instrument if known else None))
    return tuple(parsed)


def rows_of(band: Band, bands: Sequence[Band], galaxy: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Return (N,) the rows in which a catalogue's column for the band's filter is this band.

    These are the rows of galaxies observed with the band's instrument in that filter. The instrument is unknown for
    galaxies that are not in the galaxies table: their column goes to the first band of the filter.
    """
    if band.instrument is None:
        return np.ones(len(galaxy), dtype=bool)
    first = next(b for b in bands if b.filter_name == band.filter_name) == band
    names, inverse = np.unique(galaxy, return_inverse=True)
    taken = [
        first if bands_of(name) is None else instrument_of(name, band.filter_name) == band.instrument
        for name in names.tolist()
    ]
    return np.array(taken, dtype=bool)[inverse]


def lacking(
    path: Path,
    bands: Sequence[Band],
    found: Collection[str],
    galaxy: NDArray[np.str_],
    columns: Sequence[str],
    may_lack: bool,
) -> tuple[str, ...]:
    """Return a remark on the bands that a catalogue should have and lacks, or raise if they cannot be done without.

    It should have a band in which one of its galaxies was observed, every band if the galaxies are unknown and all
    bands are of one instrument, and a band whose curve is the user's own. It can do without if two other bands are
    left and no column is named after the filter, which would be the band under a name that is not recognised.

    Args:
        path: the catalogue.
        bands: the config's bands.
        found: labels of the bands that have a column.
        galaxy: (N,) galaxy of each row.
        columns: names of all the catalogue's columns.
        may_lack: whether flows are trained with missing bands.

    Raises:
        InputError: naming the bands, and the columns that look like bands.
    """
    absent = _absent(bands, found, galaxy)
    if not absent:
        return ()
    alike = {name: {filter_name.upper() for filter_name in _FILTER.findall(name)} for name in columns}
    named = any(band.filter_name in filters for band in absent for filters in alike.values())
    if may_lack and not named and len(found) >= LEAST_BANDS:
        masked = "it is masked" if len(absent) == 1 else "they are masked"
        return (f"{path.name} lacks {', '.join(band.label for band in absent)}: {masked} for all its clusters",)
    remedy = "name them in infer.columns (format table)"
    if len(found) < LEAST_BANDS:
        remedy += f"; at least {SPELT[LEAST_BANDS]} bands of model.bands are needed"
    elif not named:
        remedy += ", or use a flow that was trained with observe.missing above 0, which can do without"
    wanted = f"band{'s' * (len(absent) > 1)} {', '.join(f'{band.label} ({band.curve})' for band in absent)}"
    there = ", ".join(name for name, filters in alike.items() if filters) or "none"
    raise InputError(
        f"{path} has no flux and error columns for {wanted}; columns that look like bands: {there}; {remedy}"
    )


def _absent(bands: Sequence[Band], found: Collection[str], galaxy: NDArray[np.str_]) -> list[Band]:
    """Return the bands that a catalogue of galaxies (N,) should have and that are not among those found."""
    one_instrument = len({band.instrument for band in bands}) == 1
    names = np.unique(galaxy).tolist()
    return [
        band
        for band in bands
        if band.label not in found
        and (band.instrument is None or not found or any(_expected(band, name, one_instrument) for name in names))
    ]


def _expected(band: Band, galaxy: str, one_instrument: bool) -> bool:
    if bands_of(galaxy) is None:
        return one_instrument
    return instrument_of(galaxy, band.filter_name) == band.instrument
