"""Read a catalogue of any format: recognise it, give each cluster a distance, and refuse impossible input."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.catalogues import units
from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.galaxies import distance_error_of, distance_of, normalise_galaxy
from hpcflow.catalogues.legus import CAMERAS, is_legus, read_legus
from hpcflow.catalogues.matching import Band, parse_bands
from hpcflow.catalogues.phangs import read_phangs
from hpcflow.catalogues.plain import read_rows, read_table
from hpcflow.catalogues.read_options import ReadOptions
from hpcflow.catalogues.table_files import FORMATS, by_row, load_table
from hpcflow.sources.cluster.clusters import CLUSTER

__all__ = ["READERS", "Reader", "catalogue_of", "detect_format", "read_catalogue"]

Reader = Callable[[Path, Sequence[Band], ReadOptions], Catalogue]

MEMORY = Path("the table")  # stands in messages for a file

READERS: dict[str, Reader] = {
    "phangs": read_phangs,
    "legus": read_legus,
    **dict.fromkeys(CAMERAS, read_legus),
    "table": read_table,
}


def read_catalogue(path: str | Path, bands: Mapping[str, str], options: ReadOptions = ReadOptions()) -> Catalogue:
    """Read a catalogue of observed clusters.

    A number that cannot be used is masked and its reason kept; the other numbers are not affected. The distance of a
    cluster is NaN if none is known of its galaxy.

    Args:
        path: the file.
        bands: label -> shipped curve or path, the config's `model.bands`.
        options: how to read it.

    Returns:
        the clusters, in the file's order.

    Raises:
        InputError: if the file cannot be read, a band is missing, a cluster occurs twice, no row is usable, or the
            units cannot be right.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"catalogue {path} does not exist or is not a file; correct its path in infer.catalogues")
    return _checked(_read(path, parse_bands(bands), options), path, options)


def catalogue_of(table: Table, bands: Mapping[str, str], options: ReadOptions = ReadOptions()) -> Catalogue:
    """Return the objects of a plain table in memory, as `read_catalogue` returns those of a file.

    Raises:
        InputError: as for `read_catalogue`.
    """
    return _checked(read_rows(by_row(table, MEMORY), MEMORY, parse_bands(bands), options), MEMORY, options)


def _checked(catalogue: Catalogue, path: Path, options: ReadOptions) -> Catalogue:
    """Return what a reader returned, with unusable numbers masked and the distance of every object."""
    catalogue = catalogue.masked(options.negative)
    catalogue = _of_classes(catalogue, options.classes, path)
    if options.source.in_galaxies:
        catalogue = _placed(catalogue, options, path)
    catalogue.refuse_unreadable(str(path))
    catalogue.refuse_duplicates(str(path))
    _refuse_unusable(catalogue, path)
    if options.check_units:
        unit = options.unit or "mJy"  # to which columns that have units are converted
        units.check_units(catalogue.flux, catalogue.distance, options.source, str(path), unit)
        if options.model_fluxes is not None:
            units.check_colours(catalogue.flux, options.model_fluxes, catalogue.bands, str(path), unit)
    return catalogue


def detect_format(path: Path) -> str:
    """Return the name in `READERS` of the reader for a file, from the file's name and then its content.

    Raises:
        InputError: if it is neither a LEGUS file nor a table.
    """
    if not path.name.lower().endswith(tuple(FORMATS)) and is_legus(path):
        return "legus"
    phangs = any(name.upper().startswith("PHANGS_") for name in load_table(path).colnames)
    return "phangs" if phangs else "table"


def _read(path: Path, bands: Sequence[Band], options: ReadOptions) -> Catalogue:
    """Return the rows of a file as its reader gives them.

    Raises:
        InputError: as the reader does, always naming the file.
    """
    try:
        return _reader(path, options)(path, bands, options)
    except InputError as e:
        if str(path.name) in str(e):
            raise
        raise InputError(f"{path}: {e}") from e


def _reader(path: Path, options: ReadOptions) -> Reader:
    if options.source != CLUSTER:
        if options.format not in ("auto", "table"):
            raise InputError(
                f"infer.format {options.format} lists {CLUSTER.plural}, not {options.source.plural}; use table"
            )
        return read_table
    format = options.format
    name = detect_format(path) if format == "auto" else format
    if name not in READERS:
        raise InputError(f"infer.format {format} for {path} is unknown; it is auto or one of {', '.join(READERS)}")
    return READERS[name]


def _of_classes(catalogue: Catalogue, classes: Collection[int] | None, path: Path) -> Catalogue:
    if classes is None:
        return catalogue
    kept = np.isin(catalogue.cluster_class, list(classes))
    if not kept.any():
        if (catalogue.cluster_class < 0).all():
            raise InputError(f"{path} has no classes; set infer.classes to null to take all its clusters")
        there = ", ".join(str(c) for c in np.unique(catalogue.cluster_class).tolist())
        wanted = ", ".join(str(c) for c in sorted(classes))
        raise InputError(f"{path} has no cluster of class {wanted}; it has {there} (-1: unknown): set infer.classes")
    return catalogue.select(kept)


def _placed(catalogue: Catalogue, options: ReadOptions, path: Path) -> Catalogue:
    """Return the catalogue with the distance of every object, and a note on those that have none."""
    distance = _distances(catalogue, options, path)
    return replace(
        catalogue,
        distance=distance,
        distance_error=_distance_errors(catalogue, options.distance_error_dex, path),
        notes=(*catalogue.notes, *_waiting(catalogue.galaxy[np.isnan(distance)], path)),
    )


def _distances(catalogue: Catalogue, options: ReadOptions, path: Path) -> NDArray[np.float64]:
    """Return distances (N,) in Mpc; a row without a usable one gets its galaxy's: the table's, the median, or NaN."""
    given = {normalise_galaxy(name): float(value) for name, value in options.distance_mpc.items()}
    for name, value in given.items():
        if not (np.isfinite(value) and value > 0):
            raise InputError(f"{path}: {value} Mpc cannot be the distance of {name}; correct it in infer.distance_mpc")
    distance = np.array(catalogue.distance)
    for name in np.unique(catalogue.galaxy).tolist():
        rows = catalogue.galaxy == name
        if name in given:
            distance[rows] = given[name]
        usable = rows & np.isfinite(distance) & (distance > 0)
        if not usable.any() or not usable[rows].all():
            distance[rows & ~usable] = _distance(name, distance[usable], options.distances)
    return distance


def _distance_errors(catalogue: Catalogue, overrides: Mapping[str, float], path: Path) -> NDArray[np.float64]:
    """Return (N,) standard deviations of log10 of the distance in dex, 0 where none is known."""
    given = {normalise_galaxy(name): float(value) for name, value in overrides.items()}
    for name, value in given.items():
        if not 0 <= value < 1:
            raise InputError(
                f"{path}: {value} dex cannot be the error of the distance of {name}; it is that of log10 of the "
                "distance: correct it in infer.distance_error_dex"
            )
    error = np.zeros(len(catalogue))
    for name in np.unique(catalogue.galaxy).tolist():
        error[catalogue.galaxy == name] = given.get(name, distance_error_of(name) or 0.0)
    return error


def _distance(galaxy: str, others: NDArray[np.float64], source: str) -> float:
    if (known := distance_of(galaxy, source)) is not None:
        return known
    return float(np.median(others)) if len(others) else np.nan


def _waiting(galaxy: NDArray[np.str_], path: Path) -> Iterator[str]:
    """Yield a remark on the clusters without a distance, given their galaxies (N,)."""
    for name, count in zip(*np.unique(galaxy, return_counts=True), strict=True):
        yield (
            f"{path.name}: {count:,} clusters of {name or 'a galaxy without a name'} wait for a distance: "
            "give one in infer.distance_mpc"
        )


def _refuse_unusable(catalogue: Catalogue, path: Path) -> None:
    if (catalogue.observed.sum(axis=1) >= 2).any():
        return
    why = "; ".join(
        f"{band}: {', '.join(f'{n} {reason}' for reason, n in counts.items())}"
        for band, counts in catalogue.counts().items()
    )
    raise InputError(
        f"{path}: none of its {len(catalogue)} rows has two usable bands ({why}); "
        "check infer.columns, infer.unit and infer.classes"
    )
