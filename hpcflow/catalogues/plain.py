"""Plain tables: FITS, ECSV, CSV or Parquet, one row per cluster, columns by name or by the user's map."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

import numpy as np
from astropy.table import Column, Table
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.galaxies import normalise_galaxy
from hpcflow.catalogues.matching import Band, lacking, rows_of
from hpcflow.catalogues.read_options import ReadOptions
from hpcflow.catalogues.sentinels import marks, without_sentinels
from hpcflow.catalogues.table_files import load_table
from hpcflow.catalogues.units import in_unit, to_mjy, unit_of
from hpcflow.store.flags import Reason

__all__ = ["COLUMNS", "find_column", "mapped_column", "numbers", "read_rows", "read_table", "strings"]

Floats = NDArray[np.float64]

COLUMNS = {
    "galaxy": ("galaxy",),
    "cluster_id": ("cluster_id", "id"),
    "ra": ("ra",),
    "dec": ("dec",),
    "distance": ("distance", "distance_mpc"),
    "cluster_class": ("class", "cluster_class"),
}
UNITS = {"ra": "deg", "dec": "deg", "distance": "Mpc"}
CHI2 = "chi2"
PAIRS = (("{}_flux", "{}_err"), ("flux_{}", "err_{}"), ("{}", "{}_err"))


def read_table(path: Path, bands: Sequence[Band], options: ReadOptions) -> Catalogue:
    """Read a plain table; see `read_rows`.

    Args:
        path: a file with a suffix out of `table_files.FORMATS`.
        bands: the config's bands.
        options: galaxy of all rows, column map, unit of the columns that carry none.

    Raises:
        InputError: as for `load_table` and `read_rows`.
    """
    return read_rows(load_table(path), path, bands, options)


def read_rows(table: Table, path: Path, bands: Sequence[Band], options: ReadOptions) -> Catalogue:
    """Return the objects of a plain table; distances are NaN where it has none.

    Columns are those of `options.columns`, else `COLUMNS` and for a band the first of `{label}_flux` with
    `{label}_err`, `flux_{label}` with `err_{label}`, `{label}` with `{label}_err`, else the same with the HST
    filter's name. A column named by the filter alone is a band only where the galaxy was observed with the
    band's instrument; one that the map or a longer label names is taken as it stands.

    Args:
        table: the table.
        path: the file that it is from, or what stands for it in messages.
        bands: the config's bands.
        options: galaxy of all rows, column map, unit of the columns that carry none.

    Raises:
        InputError: if a mapped column, a band or the galaxy is missing, or a unit is not usable.
    """
    columns = {"cluster_class" if key == "class" else key: names for key, names in options.columns.items()}
    published = {**{p.name: p.unit for p in options.source.parameters}, CHI2: ""}
    own = not options.source.in_galaxies  # whose distances are those of their galaxies
    others = [quantity for quantity in options.source.scale.given if own or quantity.name != "distance"]
    errors = {f"{q.name}_error": "" if q.dex else q.unit for q in others}
    units = UNITS | published | {q.name: q.unit for q in others} | errors
    known = COLUMNS | {name: (name,) for name in units if name not in COLUMNS}
    _refuse_unknown(path, columns, known, [band.label for band in bands])
    plain = {key: _plain(path, table, key, columns, known) for key in known}
    galaxy = _galaxies(path, plain["galaxy"], options, len(table))
    flux, sigma, reason, notes = _photometry(path, table, bands, galaxy, replace(options, columns=columns))

    def column(key: str) -> Floats:
        if (found := plain[key]) is None:
            return np.full(len(table), np.nan)
        values = numbers(found)
        return in_unit(without_sentinels(values) if key in published else values, found, units.get(key, ""), path)

    identifiers = plain["cluster_id"]
    cluster_class = np.nan_to_num(column("cluster_class"), nan=-1, posinf=-1, neginf=-1).astype(np.int64)
    return Catalogue(
        galaxy=galaxy,
        cluster_id=np.arange(1, len(table) + 1).astype(str) if identifiers is None else strings(identifiers),
        ra=column("ra"),
        dec=column("dec"),
        distance=column("distance"),
        cluster_class=np.maximum(cluster_class, -1),
        bands=tuple(band.label for band in bands),
        flux=flux,
        sigma=sigma,
        reason=reason,
        published={key: column(key) for key in published if plain[key] is not None},
        given={q.name: column(q.name) for q in others},
        given_error={q.name: column(f"{q.name}_error") for q in others},
        notes=notes,
    )


def find_column(table: Table, names: Sequence[str]) -> Column | None:
    """Return the first column that has one of these names, capitals or not, None where there is none."""
    lookup = {name.lower(): name for name in reversed(table.colnames)}
    return next((table[lookup[name.lower()]] for name in names if name.lower() in lookup), None)


def mapped_column(path: Path, table: Table, key: str, name: str) -> Column:
    """Return the column of a file's table that `infer.columns` names for a key, capitals or not.

    Raises:
        InputError: if there is none.
    """
    column = find_column(table, [name])
    if column is None:
        raise InputError(
            f"{path} has no column {name}, which infer.columns.{key} names; it has {', '.join(table.colnames)}"
        )
    return column


def numbers(column: Column) -> Floats:
    """Return a column (N,) as float64, NaN where it is masked or no number."""
    values = np.ma.asarray(column)
    if values.dtype.kind in "biuf":
        return np.ma.filled(values.astype(np.float64), np.nan)
    return np.array([_number(text) for text in strings(column)], dtype=np.float64)


def strings(column: Column) -> NDArray[np.str_]:
    """Return a column (N,) as text, empty where it is masked; whole numbers are written without a point."""
    values = np.ma.MaskedArray(np.asarray(column), getattr(column, "mask", np.ma.nomask))  # a Column decodes by itself
    if values.dtype.kind == "f":
        text = [
            str(int(v)) if np.isfinite(v) and v == int(v) else str(v) for v in np.ma.filled(values, np.nan).tolist()
        ]
    else:
        text = ["" if v is None else _decoded(v) if isinstance(v, bytes) else str(v) for v in values.tolist()]
    return np.array([normalize("NFC", t).strip() for t in text], dtype=np.str_)


def _decoded(text: bytes) -> str:
    """Return bytes as text: UTF-8, or what older programs write."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def _refuse_unknown(
    path: Path, columns: Mapping[str, str | Sequence[str]], known: Collection[str], labels: Sequence[str]
) -> None:
    if unknown := set(columns) - set(known) - set(labels):
        raise InputError(
            f"infer.columns for {path} names {', '.join(sorted(unknown))}, which is neither a band of "
            f"model.bands nor one of {', '.join(known)}"
        )


def _plain(
    path: Path,
    table: Table,
    key: str,
    columns: Mapping[str, str | Sequence[str]],
    known: Mapping[str, Sequence[str]],
) -> Column | None:
    if key not in columns:
        return find_column(table, known[key])
    name = columns[key]
    if not isinstance(name, str):
        raise InputError(f"infer.columns.{key} for {path} must be one column name, not {name}")
    return mapped_column(path, table, key, name)


def _galaxies(path: Path, column: Column | None, options: ReadOptions, n: int) -> NDArray[np.str_]:
    if options.galaxy is not None:
        return np.full(n, normalise_galaxy(options.galaxy))
    if column is None and not options.source.in_galaxies:
        return np.full(n, "")
    if column is None:
        raise InputError(f"{path} has no column galaxy; set infer.galaxy, or name its column in infer.columns.galaxy")
    names, inverse = np.unique(strings(column), return_inverse=True)
    return np.array([normalise_galaxy(name) for name in names.tolist()])[inverse]


def _pair(
    path: Path, table: Table, band: Band, columns: Mapping[str, str | Sequence[str]]
) -> tuple[str, str, bool] | None:
    """Return the names of a band's two columns, and whether it is by the filter's name alone."""
    if band.label in columns:
        names = columns[band.label]
        if isinstance(names, str) or len(names) != 2:
            raise InputError(f"infer.columns.{band.label} for {path} must be [flux column, error column], not {names}")
        value, error = (mapped_column(path, table, band.label, name) for name in names)
        return value.name, error.name, False
    for name in dict.fromkeys((band.label, band.filter_name)):
        for value_name, error_name in PAIRS:
            value, error = (find_column(table, [form.format(name)]) for form in (value_name, error_name))
            if value is not None and error is not None:
                return value.name, error.name, name.upper() == band.filter_name.upper()
    return None


def _photometry(
    path: Path, table: Table, bands: Sequence[Band], galaxy: NDArray[np.str_], options: ReadOptions
) -> tuple[Floats, Floats, NDArray[np.uint8], tuple[str, ...]]:
    flux, sigma = (np.full((len(table), len(bands)), np.nan) for _ in range(2))
    reason = np.full((len(table), len(bands)), Reason.NO_BAND, dtype=np.uint8)
    found = set()
    for i, band in enumerate(bands):
        if (pair := _pair(path, table, band, options.columns)) is None:
            continue
        found.add(band.label)
        value, error, by_filter = pair
        rows = rows_of(band, bands, galaxy) if by_filter else np.ones(len(table), dtype=bool)
        if rows.any():
            flux[:, i], sigma[:, i], known = _band(table[value], table[error], options.unit, band.curve)
            reason[rows, i] = known[rows]
    return flux, sigma, reason, lacking(path, bands, found, galaxy, table.colnames, options.may_lack)


def _band(value: Column, error: Column, unit: str, curve: str) -> tuple[Floats, Floats, NDArray[np.uint8]]:
    unit = unit_of(value, unit)
    error_unit = unit if unit in ("AB", "Vega") else unit_of(error, unit)
    raw, raw_error = numbers(value), numbers(error)
    flux, sigma = to_mjy(raw, raw_error, unit, error_unit=error_unit, curve=curve)
    return flux, sigma, marks(raw, raw_error, unit in ("AB", "Vega"))
