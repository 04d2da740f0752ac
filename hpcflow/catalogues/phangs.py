"""PHANGS-HST cluster catalogues in FITS, read and written (Maschmann et al. 2024, ApJS 273, 14)."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy import units as u
from astropy.table import Column, Table
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.galaxies import bands_of, instrument_of, normalise_galaxy
from hpcflow.catalogues.matching import Band, lacking, rows_of
from hpcflow.catalogues.phangs_sed import IDENTIFIERS, PUBLISHED, is_sed, obs_of, published_fits
from hpcflow.catalogues.plain import find_column, numbers, strings
from hpcflow.catalogues.read_options import ReadOptions
from hpcflow.catalogues.sentinels import marks
from hpcflow.catalogues.table_files import load_table
from hpcflow.catalogues.units import to_mjy, unit_of
from hpcflow.catalogues.write import write_rows
from hpcflow.model.zero_points import AB_ZERO_MJY, VEGA_TO_AB
from hpcflow.store.flags import Classifier, Reason

__all__ = ["NO_COVERAGE", "Classes", "phangs_curves", "read_phangs", "write_phangs", "write_sed"]

Floats = NDArray[np.float64]

NO_COVERAGE = -9999.0
MACHINE = ("PHANGS_CLUSTER_CLASS_ML_VGG", "PHANGS_CLUSTER_CLASS_ML_VGG_CORR")
HUMAN = ("PHANGS_CLUSTER_CLASS_HUMAN",)
NON_DETECTION = ("PHANGS_NON_DETECTION_FLAG",)
FORMS = ("mJy", "VEGA")  # fluxes before magnitudes, and of each the total of older files first


class Classes(NamedTuple):
    """Human and machine classes of N clusters, and the machine's confidence from 0 to 1."""

    human: NDArray[np.integer]
    machine: NDArray[np.integer]
    quality: Floats


_FILTER = re.compile(r"PHANGS_(F\d{3}[A-Z]+)_")
_GALAXY = re.compile(r"(?:^|_)((?:ngc|ic)\d+[a-z]?)(?:_|\.)", re.IGNORECASE)


def read_phangs(path: Path, bands: Sequence[Band], options: ReadOptions) -> Catalogue:
    """Read a PHANGS-HST catalogue; distances are NaN.

    Fluxes are `PHANGS_{FILTER}_mJy`, or else the magnitudes `PHANGS_{FILTER}_VEGA`, or either with `_TOT` as in older
    files. Their errors end in `_TOT_ERR` or `_ERR`, and files have mixed the two. -9999 means no coverage. In a row
    with `PHANGS_NON_DETECTION_FLAG` set, a flux without an error is an upper limit and counts as not detected. The
    class is the human one if there is one, else the machine's; a file with `machine` in its name has the machine's;
    `options.classification` asks for one of them. Published fits are the table's own or those of the `sed` table
    beside it.

    Args:
        path: the FITS file; its name gives the galaxy if there is no column PHANGS_GALAXY.
        bands: the config's bands.
        options: galaxy of all rows, unit of the flux columns if the header has none.

    Raises:
        InputError: if the file or its galaxy cannot be read, or a band is missing.
    """
    table, galaxy = _load(path, options.galaxy)
    flux, sigma, reason, lack = _photometry(path, table, bands, galaxy, options)
    identifiers = find_column(table, IDENTIFIERS)
    if identifiers is None:
        raise InputError(f"{path} has no column {IDENTIFIERS[0]}; name it so, or set infer.format to table")
    cluster_class, classifier = _classes(path, table, options.classification)
    (published, published_error), notes = published_fits(path, table)
    return Catalogue(
        galaxy=galaxy,
        cluster_id=strings(identifiers),
        ra=_column(table, ("PHANGS_RA",)),
        dec=_column(table, ("PHANGS_DEC",)),
        distance=np.full(len(table), np.nan),
        cluster_class=cluster_class,
        bands=tuple(band.label for band in bands),
        flux=flux,
        sigma=sigma,
        reason=reason,
        published=published,
        published_error=published_error,
        classifier=classifier,
        notes=(*lack, *notes),
    )


def phangs_curves(path: Path, galaxy: str | None = None) -> list[list[str]]:
    """Return the curves of each set of bands in which galaxies of a PHANGS-HST catalogue were observed.

    Args:
        path: the FITS file.
        galaxy: galaxy of all rows, if the file does not give it.

    Raises:
        InputError: as `read_phangs` does, or if the instruments of all its galaxies are unknown.
    """
    table, names = _load(path, galaxy)
    filters = sorted({match[1] for name in table.colnames if (match := _FILTER.match(name))})
    there = [name for name in filters if _pair(table, name)]
    sets: list[list[str]] = []
    for one in np.unique(names).tolist():
        curves = [f"{instrument}.{name}" for name in there if (instrument := instrument_of(one, name))]
        if curves and curves not in sets:
            sets.append(curves)
    if not sets:
        raise InputError(f"{path}: the instruments that observed {names[0]} are not known; set infer.format to table")
    return sets


def write_phangs(
    path: Path,
    *,
    galaxy: NDArray[np.str_],
    cluster_id: NDArray[np.integer],
    ra: Floats,
    dec: Floats,
    flux: Mapping[str, Floats],
    sigma: Mapping[str, Floats],
    cluster_class: NDArray[np.integer],
    published: Mapping[str, Floats] | None = None,
    machine: Classes | None = None,
    fits: Mapping[str, Floats] | None = None,
    vega: bool = False,
) -> None:
    """Write a catalogue in the schema of PHANGS-HST, whole or not at all.

    A flux that is NaN is written as -9999. PHANGS_NO_COVERAGE_FLAG counts these among the filters the galaxy
    was observed in (all, if the galaxy is unknown), PHANGS_NON_DETECTION_FLAG the other bands with S/N < 1.

    Args:
        path: the file to write.
        galaxy: (N,) names.
        cluster_id: (N,) numbers, unique in each galaxy.
        ra: (N,) deg.
        dec: (N,) deg.
        flux: (N,) mJy for each HST filter, NaN where there is no coverage.
        sigma: (N,) mJy for each HST filter.
        cluster_class: (N,) human class.
        published: log_age [dex(yr)], log_mass [dex(M_sun)], ebv [mag], chi2; (N,) each.
        machine: the machine's classes, if any.
        fits: published fits with their errors, as `write_sed` takes them.
        vega: whether to write magnitudes as well.
    """
    columns: list[Column] = [
        Column(np.char.lower(np.asarray(galaxy, dtype=np.str_)), "PHANGS_GALAXY"),
        Column(np.asarray(cluster_id, dtype=np.int64), IDENTIFIERS[0]),
        Column(ra, "PHANGS_RA", unit=u.deg),
        Column(dec, "PHANGS_DEC", unit=u.deg),
    ]
    uncovered, undetected = (np.zeros(len(galaxy), dtype=np.int64) for _ in range(2))
    for name, values in flux.items():
        covered = np.isfinite(values)
        with np.errstate(invalid="ignore"):
            undetected += covered & (values < sigma[name])
        uncovered += ~covered & _observed(galaxy, name)
        columns.append(Column(np.where(covered, values, NO_COVERAGE), f"PHANGS_{name}_mJy", unit=u.mJy))
        columns.append(Column(np.where(covered, sigma[name], NO_COVERAGE), f"PHANGS_{name}_mJy_ERR", unit=u.mJy))
        if vega:
            columns += _magnitudes(galaxy, name, values, sigma[name])
    columns += [
        Column(undetected, NON_DETECTION[0]),
        Column(uncovered, "PHANGS_NO_COVERAGE_FLAG"),
        Column(np.asarray(cluster_class, dtype=np.int64), HUMAN[0]),
    ]
    if machine is not None:
        columns.append(Column(np.asarray(machine.machine, dtype=np.int64), MACHINE[0]))
        columns.append(Column(machine.quality, f"{MACHINE[0]}_QUAL"))
    columns += _fits(fits) if fits else []
    units = {"log_age": u.Myr, "log_mass": u.solMass, "ebv": u.mag, "chi2": None}
    for key, values in (published or {}).items():
        zero = {"log_age": 6.0, "log_mass": 0.0}.get(key)
        linear = values if zero is None else 10 ** (values - zero)
        columns.append(Column(linear, PUBLISHED[key][0], unit=units[key]))
    write_rows(Table(columns), path)


def write_sed(
    path: Path, galaxy: NDArray[np.str_], cluster_id: NDArray[np.integer], fits: Mapping[str, Floats]
) -> None:
    """Write published fits as a table of their own.

    Args:
        path: the file to write.
        galaxy: (N,) names.
        cluster_id: (N,) numbers, unique in each galaxy.
        fits: age [Myr], mass [M_sun] and ebv [mag] with age_error, mass_error and ebv_error, and chi2; (N,) each.
    """
    names = Column(np.char.lower(np.asarray(galaxy, dtype=np.str_)), "PHANGS_GALAXY")
    columns = [names, Column(np.asarray(cluster_id, dtype=np.int64), IDENTIFIERS[0]), *_fits(fits)]
    write_rows(Table(columns), path)


def _fits(fits: Mapping[str, Floats]) -> list[Column]:
    columns = []
    for name, key, unit in (("age", "log_age", u.Myr), ("mass", "log_mass", u.solMass), ("ebv", "ebv", u.mag)):
        columns.append(Column(fits[name], PUBLISHED[key][0], unit=unit))
        columns.append(Column(fits[f"{name}_error"], f"{PUBLISHED[key][0]}_ERR", unit=unit))
    return [*columns, Column(fits["chi2"], PUBLISHED["chi2"][0])]


def _magnitudes(galaxy: NDArray[np.str_], name: str, flux: Floats, sigma: Floats) -> list[Column]:
    """Return Vega magnitudes and errors through the galaxies' own instruments; -9999 where there are none."""
    names, inverse = np.unique(galaxy, return_inverse=True)
    offset = np.array([VEGA_TO_AB.get(f"{instrument_of(g, name)}.{name}", np.nan) for g in names.tolist()])[inverse]
    with np.errstate(divide="ignore", invalid="ignore"):
        magnitude = -2.5 * np.log10(np.where(flux > 0, flux, np.nan) / AB_ZERO_MJY) - offset
        error = 2.5 / np.log(10) * sigma / flux
    there = np.isfinite(magnitude)
    return [
        Column(np.where(there, values, NO_COVERAGE), f"PHANGS_{name}_VEGA{ending}", unit=u.mag)
        for values, ending in ((magnitude, ""), (error, "_ERR"))
    ]


def _observed(galaxy: NDArray[np.str_], filter_name: str) -> NDArray[np.bool_]:
    names, inverse = np.unique(galaxy, return_inverse=True)
    known = [bands_of(name) is None or instrument_of(name, filter_name) is not None for name in names.tolist()]
    return np.array(known, dtype=bool)[inverse]


def _load(path: Path, galaxy: str | None) -> tuple[Table, NDArray[np.str_]]:
    """Return a file's table, and the galaxy of each row."""
    if is_sed(path):
        raise InputError(
            f"{path} holds fits and no photometry; give {obs_of(path).name} instead, and leave this one beside it"
        )
    table = load_table(path)
    return table, _galaxies(path, table, galaxy)


def _galaxies(path: Path, table: Table, galaxy: str | None) -> NDArray[np.str_]:
    column = find_column(table, ("PHANGS_GALAXY",))
    if galaxy is None and column is not None:
        names, inverse = np.unique(strings(column), return_inverse=True)
        return np.array([normalise_galaxy(name) for name in names.tolist()])[inverse]
    if galaxy is None:
        if (match := _GALAXY.search(path.name)) is None:
            raise InputError(f"{path} has neither a column PHANGS_GALAXY nor a galaxy in its name; set infer.galaxy")
        galaxy = match[1]
    return np.full(len(table), normalise_galaxy(galaxy))


def _photometry(
    path: Path, table: Table, bands: Sequence[Band], galaxy: NDArray[np.str_], options: ReadOptions
) -> tuple[Floats, Floats, NDArray[np.uint8], tuple[str, ...]]:
    flagged = _column(table, NON_DETECTION)
    flux, sigma = (np.full((len(table), len(bands)), np.nan) for _ in range(2))
    reason = np.full((len(table), len(bands)), Reason.NO_BAND, dtype=np.uint8)
    found = set()
    for i, band in enumerate(bands):
        if (pair := _pair(table, band.filter_name)) is None:
            continue
        value, error, magnitudes = pair
        found.add(band.label)
        rows = rows_of(band, bands, galaxy)
        raw, raw_error = numbers(value), numbers(error)
        if magnitudes:
            unit = error_unit = "Vega"
        else:
            unit = unit_of(value, options.unit)
            error_unit = unit_of(error, unit)
        flux[:, i], sigma[:, i] = to_mjy(raw, raw_error, unit, error_unit=error_unit, curve=band.curve)
        limit = (flagged > 0) & (raw > 0) & ~(raw_error > 0)
        said = marks(raw, raw_error, magnitudes)
        known = np.where((said == Reason.OK) & limit, np.uint8(Reason.NOT_DETECTED), said)
        reason[rows, i] = known[rows]
    columns = [name for name in table.colnames if name.startswith("PHANGS_F")]
    return flux, sigma, reason, lacking(path, bands, found, galaxy, columns, options.may_lack)


def _pair(table: Table, filter_name: str) -> tuple[Column, Column, bool] | None:
    """Return a filter's columns of values and errors, and whether they are magnitudes; None if it lacks either."""
    for form in FORMS:
        name = f"PHANGS_{filter_name}_{form}"
        value, error = find_column(table, [f"{name}_TOT", name]), find_column(table, [f"{name}_TOT_ERR", f"{name}_ERR"])
        if value is not None and error is not None:
            return value, error, form == "VEGA"
    return None


def _column(table: Table, names: Sequence[str]) -> Floats:
    column = find_column(table, names)
    return np.full(len(table), np.nan) if column is None else numbers(column)


def _classes(path: Path, table: Table, wanted: str) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return the class of each row, -1 if it has none, and who assigned it.

    Raises:
        InputError: if human or machine classes are asked for and the table has none.
    """
    human, machine = _column(table, HUMAN), _column(table, MACHINE)
    first, second = Classifier.HUMAN, Classifier.MACHINE
    said = {first: human, second: machine}
    if wanted != "auto":
        first = second = Classifier[wanted.upper()]
        if not (said[first] > 0).any():
            raise InputError(f"{path} has no class that a {wanted} gave; set infer.classification to auto")
    elif "machine" in path.name.lower():
        first, second = second, first
    classifier = np.select([said[first] > 0, said[second] > 0], [first, second], Classifier.UNKNOWN)
    chosen = np.select([classifier == first, classifier == second], [said[first], said[second]], -1)
    return np.where(classifier == Classifier.UNKNOWN, -1, chosen).astype(np.int64), classifier.astype(np.uint8)
