"""Guess how a catalogue is to be read: its bands, columns and unit, from the names and headers of its columns."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from astropy import units as u
from astropy.table import Column, Table

from hpcflow.base.errors import InputError
from hpcflow.catalogues.cameras import Curves, labels_of
from hpcflow.catalogues.column_names import ColumnName, parse_name
from hpcflow.catalogues.legus import legus_curves
from hpcflow.catalogues.pairing import Pair, pairs_of
from hpcflow.catalogues.phangs import phangs_curves
from hpcflow.catalogues.plain import COLUMNS, find_column, mapped_column
from hpcflow.catalogues.read import detect_format
from hpcflow.catalogues.table_files import load_table
from hpcflow.catalogues.units import magnitudes_of
from hpcflow.model.zero_points import VEGA_TO_AB

__all__ = ["Guess", "Told", "guess"]

LEAST = 3  # bands; fewer say too little for a guess to be checked against models
USUAL = {  # names of columns that are no photometry
    "galaxy": (*COLUMNS["galaxy"], "galaxy_name", "gal", "host", "host_galaxy"),
    "cluster_id": (*COLUMNS["cluster_id"], "id_cluster", "clusterid", "cluster", "source_id", "obj_id", "objid"),
    "ra": (*COLUMNS["ra"], "ra_deg", "radeg", "raj2000", "ra_j2000", "_raj2000", "alpha_j2000"),
    "dec": (*COLUMNS["dec"], "dec_deg", "decdeg", "dedeg", "dej2000", "dec_j2000", "_dej2000", "delta_j2000"),
    "distance": (*COLUMNS["distance"], "dist", "dist_mpc", "d_mpc"),
    "cluster_class": COLUMNS["cluster_class"],
}
Columns = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True)
class Told:
    """What the user has said and need not be guessed: keys of the config's `infer`, and `model.bands`."""

    format: str = "auto"
    galaxy: str | None = None
    unit: str | None = None
    distance_mpc: Mapping[str, float] = field(default_factory=dict)
    columns: Columns = field(default_factory=dict)
    bands: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Guess:
    """How to read a catalogue.

    Attributes:
        format: one of `read.READERS`.
        bands: label -> curve, by wavelength.
        band_sets: labels of the bands of each set of instruments, if there are several.
        columns: the config's `infer.columns`; empty if the format says them.
        unit: unit of the columns whose headers have none; None if there are no such columns.
        galaxy: galaxy of all rows; None if the file says it.
        notes: what was decided on weak grounds, a sentence each.
        left_out: columns that look like bands and are not used, each with the reason.
    """

    format: str
    bands: Mapping[str, str]
    band_sets: Sequence[Sequence[str]] = ()
    columns: Columns = field(default_factory=dict)
    unit: str | None = None
    galaxy: str | None = None
    notes: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)


def guess(path: Path, told: Told = Told()) -> Guess:
    """Return how a catalogue is to be read.

    Args:
        path: a LEGUS or PHANGS-HST catalogue, or a table with a column of values and one of errors for each band.
        told: what need not be guessed.

    Raises:
        InputError: if the file cannot be read, or something can be guessed in no way or in several; the sentence says
            how to tell.
    """
    format = detect_format(path) if told.format == "auto" else told.format
    if format == "table":
        return _of_table(path, load_table(path), told)
    sets = phangs_curves(path, told.galaxy) if format == "phangs" else [legus_curves(path, told.galaxy, format)]
    labels = labels_of({curve for curves in sets for curve in curves}, {})
    band_sets = [[label for curve, label in labels.items() if curve in curves] for curves in sets]
    bands = {label: curve for curve, label in labels.items()}
    return Guess(format, bands, band_sets if len(sets) > 1 else (), unit=told.unit, galaxy=told.galaxy)


def _of_table(path: Path, table: Table, told: Told) -> Guess:
    names = [_with_header(name, table[name.name]) for name in map(parse_name, table.colnames) if name]
    curves = Curves.among(names, told.bands)
    chosen = _told_pairs(path, table, told, curves)
    labels = {curve: label for label, curve in told.bands.items()} | {curve: of for curve, (of, _) in chosen.items()}
    pairs = {curve: pair for curve, (_, pair) in chosen.items()}
    pairs |= _guessed_pairs(path, names, curves, told.unit, pairs)
    _refuse_without_error(path, [name for name in names if (curve := curves.of(name)) and curve not in pairs])
    notes = _cameras(path, curves, [pair.value for pair in pairs.values()])
    left_out = _left_out(names, curves, pairs)
    unit = told.unit or _unit(path, table, pairs.values())
    for curve, pair in list(pairs.items()):
        own = unit if _bare(table[pair.value.name]) else pair.value.unit
        if own == "Vega" and curve not in VEGA_TO_AB:
            left_out[pairs.pop(curve).value.name] = f"the Vega zero point of {curve} is not known"
    _refuse_few(path, pairs, left_out)
    galaxy, columns = _others(path, table, told)
    labels = labels_of(pairs, labels)
    columns |= {label: [pairs[curve].value.name, pairs[curve].error] for curve, label in labels.items()}
    bands = {label: curve for curve, label in labels.items()}
    return Guess("table", bands, columns=columns, unit=unit, galaxy=galaxy, notes=notes, left_out=left_out)


def _bare(column: Column) -> bool:
    """Return whether a column's header says nothing of its unit but, perhaps, that it is a magnitude."""
    return column.unit is None or column.unit in (u.dimensionless_unscaled, u.mag)


def _with_header(name: ColumnName, column: Column) -> ColumnName:
    """Return what a column's name and its header say; the header prevails."""
    if column.unit == u.mag:
        return replace(name, kind="magnitude")
    if _bare(column):
        return name
    if system := magnitudes_of(column):
        return replace(name, kind="magnitude", unit=system)
    if isinstance(column.unit, u.UnitBase) and column.unit.is_equivalent(u.mJy):
        return replace(name, kind="flux", unit=str(column.unit))
    return replace(name, rest=name.rest | {f"the unit {column.unit}"})


def _told_pairs(path: Path, table: Table, told: Told, curves: Curves) -> dict[str, tuple[str, Pair]]:
    """Return curve -> label and pair of the bands whose columns the user has named."""
    found = {}
    for label, pair in told.columns.items():
        if isinstance(pair, str):  # no band
            continue
        if len(pair) != 2:
            raise InputError(f"infer.columns.{label} for {path} must be [flux column, error column], not {pair}")
        band = parse_name(label) or ColumnName(label, label)
        if (curve := told.bands.get(label) or curves.of(band)) is None:
            raise InputError(f"{path}: there is no curve of band {label}; give one by --set model.bands.{label}=CURVE")
        value, error = (mapped_column(path, table, label, name) for name in pair)
        column = _with_header(parse_name(value.name) or band, value)
        found[curve] = label, Pair(replace(band, name=value.name, kind=column.kind, unit=column.unit), error.name)
    return found


def _guessed_pairs(
    path: Path, names: Sequence[ColumnName], curves: Curves, unit: str | None, told: Collection[str]
) -> dict[str, Pair]:
    """Return curve -> pair of the bands whose columns the user has not named.

    Raises:
        InputError: if several pairs may be the same band.
    """
    by_curve: dict[str, list[Pair]] = {}
    for pair in pairs_of(names):
        if (curve := curves.of(pair.value)) and curve not in told:
            by_curve.setdefault(curve, []).append(pair)
    likely = {curve: _likely(pairs, unit) for curve, pairs in by_curve.items()}
    for pairs in likely.values():
        if len(pairs) > 1:
            label = pairs[0].value.filter_name
            units = ", or for all bands by --set infer.unit=UNIT" if len({p.value.kind for p in pairs}) > 1 else ""
            raise InputError(
                f"{path}: {label} can be read from {' or '.join(map(str, pairs))}; say which by "
                f'--set "infer.columns.{label}={pairs[0]}"{units}'
            )
    return {curve: pairs[0] for curve, pairs in likely.items() if pairs}


def _likely(pairs: Sequence[Pair], unit: str | None) -> Sequence[Pair]:
    """Return the pairs that may be a band: those of the unit that is told, and those without unknown words, if any."""
    if unit is not None:
        kind = "magnitude" if unit in ("AB", "Vega") else "flux"
        of_unit = [p for p in pairs if p.value.kind in ("", kind) and (kind == "flux" or p.value.unit in ("", unit))]
        pairs = of_unit or pairs
    return [p for p in pairs if not p.value.rest] or [p for p in pairs if p.value.kind]


def _refuse_without_error(path: Path, names: Iterable[ColumnName]) -> None:
    """Raise if there is a column of fluxes or magnitudes that is no band for want of errors."""
    for name in names:
        if not name.error and not name.rest:
            example = f'--set "infer.columns.{name.filter_name}=[{name.name}, ERRORS]"'
            raise InputError(f"{path}: no column has the errors of {name.name}; add one, or name it by {example}")


def _cameras(path: Path, curves: Curves, names: Iterable[ColumnName]) -> tuple[str, ...]:
    """Return a note on the bands that might be of either camera.

    Raises:
        InputError: if nothing shows which camera they are of.
    """
    if not (unsure := curves.unsure(names)):
        return ()
    if curves.camera:
        return (f"{', '.join(unsure)}: of {curves.camera}, as {curves.sign} suggests; model.bands can say otherwise",)
    raise InputError(
        f"{path}: {', '.join(unsure)} may be of ACS or of WFC3/UVIS; say for each of them "
        f"--set model.bands.{unsure[0]}=ACS_WFC.{unsure[0]}, or WFC3_UVIS.{unsure[0]}"
    )


def _left_out(names: Iterable[ColumnName], curves: Curves, pairs: Mapping[str, Pair]) -> dict[str, str]:
    """Return the columns of fluxes or magnitudes that are not used, each with the reason."""
    used, why = {pair.value.name for pair in pairs.values()}, dict[str, str]()
    for name in names:
        if name.error or name.name in used:
            continue
        if (curve := curves.of(name)) is None:
            remedy = f"give one by --set model.bands.{name.filter_name}=FILE"
            why[name.name] = f"no curve of {curves.words(name)} is shipped; {remedy}"
        elif name.rest:
            why[name.name] = f"{', '.join(sorted(name.rest))} is not known to be a flux or a magnitude"
        else:
            why[name.name] = f"{pairs[curve]} is taken instead"
    return why


def _unit(path: Path, table: Table, pairs: Collection[Pair]) -> str | None:
    """Return the one unit of the columns whose headers have none; None if there are no such columns.

    Raises:
        InputError: if they have none in their names either, or several.
    """
    units = dict[str, ColumnName]()  # with the first column of each
    for pair in pairs:
        if _bare(table[pair.value.name]):
            units.setdefault(pair.value.unit, pair.value)
    if value := units.get(""):
        if value.kind == "magnitude":
            raise InputError(
                f"{path}: nothing says whether {value.name} is in Vega or AB magnitudes; give --set infer.unit=Vega or "
                "--set infer.unit=AB"
            )
        which = "mJy, or Jy, uJy, nJy" + ("" if value.kind else ", AB, Vega")
        raise InputError(f"{path}: nothing says the unit of {value.name}; give --set infer.unit={which}")
    if len(units) > 1:
        there = ", ".join(f"{value.name} is in {unit}" for unit, value in units.items())
        raise InputError(f"{path}: {there}, but one unit is needed for columns without one in a header; convert some")
    return next(iter(units), None)


def _refuse_few(path: Path, pairs: Mapping[str, Pair], left_out: Mapping[str, str]) -> None:
    if len(pairs) >= LEAST:
        return
    there = ", ".join(pair.value.name for pair in pairs.values()) or "none"
    others = "".join(f"; {name} is left out: {why}" for name, why in left_out.items())
    raise InputError(
        f"{path}: at least three bands are needed, and the columns recognised are {there}{others}; name columns as "
        'F555W_flux and F555W_err, or say what they are by --set "infer.columns.F555W=[FLUX, ERROR]"'
    )


def _others(path: Path, table: Table, told: Told) -> tuple[str | None, dict[str, str | Sequence[str]]]:
    """Return the galaxy of all rows, if the table does not say it, and the columns that are no photometry.

    Raises:
        InputError: if there is neither a galaxy nor a distance.
    """
    found = {key: column for key, names in USUAL.items() if (column := find_column(table, names)) is not None}
    columns: dict[str, str | Sequence[str]] = {key: column.name for key, column in found.items()}
    columns |= {key: name for key, name in told.columns.items() if isinstance(name, str)}
    if told.galaxy is not None:
        columns.pop("galaxy", None)
    if told.galaxy is not None or "galaxy" in columns:
        return told.galaxy, columns
    if len(told.distance_mpc) == 1:
        return next(iter(told.distance_mpc)), columns
    if "distance" in columns:
        return path.name.partition(".")[0], columns
    raise InputError(
        f"{path} has neither a galaxy nor a distance for its clusters; give --set infer.galaxy=NGC1566, or with a "
        "distance in Mpc --set infer.distance_mpc.NAME=17.7"
    )
