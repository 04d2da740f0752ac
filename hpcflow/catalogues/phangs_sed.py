"""The published fits of PHANGS-HST: in the columns of the whole sample, or in `sed` tables beside `obs` ones."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.catalogues.plain import find_column, numbers, strings
from hpcflow.catalogues.sentinels import without_sentinels
from hpcflow.catalogues.table_files import load_table

__all__ = ["IDENTIFIERS", "PUBLISHED", "is_sed", "obs_of", "published_fits", "sed_of"]

Floats = NDArray[np.float64]
Fits = tuple[dict[str, Floats], dict[str, Floats]]

IDENTIFIERS = ("ID_PHANGS_CLUSTER", "ID_PHANGS_CLUSTERS", "ID_PHANGS_CLUSTERS_v1p2", "ID_PHANGS_CANDIDATE")
PUBLISHED = {  # DR5 has new names for its minimum chi^2 fits
    "log_age": ("PHANGS_AGE_MINCHISQ", "PHANGS_DR5_THILKER25_AGE"),
    "log_mass": ("PHANGS_MASS_MINCHISQ", "PHANGS_DR5_THILKER25_MASS"),
    "ebv": ("PHANGS_EBV_MINCHISQ", "PHANGS_DR5_THILKER25_EBV"),
    "chi2": (
        "PHANGS_REDUCEDCHISQ_MINCHISQ",
        "PHANGS_REDUCED_MINCHISQ",
        "PHANGS_DR5_THILKER25_REDUCED_MINCHISQ",
    ),
}

_SED = re.compile(r"_sed-(?:.*-)?(?=human-|machine-)", re.IGNORECASE)


def is_sed(path: Path) -> bool:
    """Return whether a file is, by its name, a table of fits without photometry.

    >>> is_sed(Path("hlsp_phangs-cat_hst_uvis_ngc1566_multi_v1_sed-human-cluster-class12.fits"))
    True
    """
    return _SED.search(path.name) is not None


def obs_of(path: Path) -> Path:
    """Return the path of the `obs` table that belongs to a `sed` table.

    >>> obs_of(Path("x_v1_sed-ground-halpha-human-cluster-class12.fits")).name
    'x_v1_obs-human-cluster-class12.fits'
    """
    return path.with_name(_SED.sub("_obs-", path.name))


def sed_of(path: Path) -> Path | None:
    """Return the `sed` table beside an `obs` table, the plain one if there are several, or None."""
    if "_obs-" not in path.name:
        return None
    others = sorted(p for p in path.parent.iterdir() if is_sed(p) and obs_of(p).name == path.name)
    return min(others, key=lambda p: len(p.name), default=None)


def published_fits(path: Path, table: Table) -> tuple[Fits, tuple[str, ...]]:
    """Return the published fits of a table's clusters with their errors, and remarks on them.

    Where the table has none they are taken from the `sed` table beside it, by identifier.

    Args:
        path: the table's file.
        table: its rows.

    Raises:
        InputError: if the `sed` table cannot be read, has no identifiers, or has one twice.
    """
    beside = sed_of(path)
    if beside is None or any(find_column(table, names) is not None for names in PUBLISHED.values()):
        return (_values(table), _errors(table)), ()
    fits = load_table(beside)
    rows, known = _joined(beside, table, fits)
    found = tuple(
        {key: np.where(known, values[rows], np.nan) for key, values in read.items()}
        for read in (_values(fits), _errors(fits))
    )
    lacking = f"; {np.count_nonzero(~known)} clusters of {len(table)} are not in it" if not known.all() else ""
    return (found[0], found[1]), (f"published fits of {path.name} are from {beside.name}{lacking}",)


def _joined(beside: Path, table: Table, fits: Table) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return for each row of the table (N,) that of its fit, and whether it has one."""
    name = next((n for n in IDENTIFIERS if all(find_column(t, [n]) is not None for t in (table, fits))), None)
    if name is None:
        raise InputError(
            f"{beside} has no identifier in common with its obs table ({', '.join(IDENTIFIERS)}); "
            "fetch both again, or move it away to go on without published fits"
        )
    here, there = (strings(find_column(t, [name])) for t in (table, fits))
    place = {identifier: row for row, identifier in enumerate(there.tolist())}
    if len(place) < len(there):
        raise InputError(f"{beside} has the same {name} more than once; fetch it again, or move it away")
    rows = np.array([place.get(identifier, -1) for identifier in here.tolist()])
    return np.maximum(rows, 0), rows >= 0


def _values(table: Table) -> dict[str, Floats]:
    raw = _raw(table, "")
    with np.errstate(divide="ignore", invalid="ignore"):
        fitted = (raw["log_age"] > 0) & (raw["log_mass"] > 0)
        values = {"log_age": np.log10(raw["log_age"]) + 6, "log_mass": np.log10(raw["log_mass"])}
        values |= {key: np.where(raw[key] >= 0, raw[key], np.nan) for key in ("ebv", "chi2")}
    return {key: np.where(fitted, values[key], np.nan) for key in _there(table, PUBLISHED, "")}


def _errors(table: Table) -> dict[str, Floats]:
    """Return standard deviations in dex and mag: those of age and mass are published linear."""
    value, error = _raw(table, ""), _raw(table, "_ERR")
    with np.errstate(divide="ignore", invalid="ignore"):
        linear = {key: error[key] / value[key] / np.log(10) for key in ("log_age", "log_mass")} | {"ebv": error["ebv"]}
        usable = {key: (error[key] >= 0) & (value[key] >= 0) & np.isfinite(linear[key]) for key in linear}
    return {key: np.where(usable[key], linear[key], np.nan) for key in _there(table, linear, "_ERR")}


def _raw(table: Table, ending: str) -> dict[str, Floats]:
    nothing = np.full(len(table), np.nan)
    columns = {key: find_column(table, [f"{name}{ending}" for name in names]) for key, names in PUBLISHED.items()}
    return {key: nothing if column is None else without_sentinels(numbers(column)) for key, column in columns.items()}


def _there(table: Table, keys: Iterable[str], ending: str) -> list[str]:
    names = {key: [f"{name}{ending}" for name in PUBLISHED[key]] for key in keys}
    return [key for key, forms in names.items() if find_column(table, forms) is not None]
