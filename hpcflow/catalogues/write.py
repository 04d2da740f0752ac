"""Writers of tables with one row per cluster, block by block, in the formats of other programs."""

from collections.abc import Callable, Iterable, Iterator
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy import units as u
from astropy.io import fits
from astropy.table import Column, Table

from hpcflow.base.atomic import atomic
from hpcflow.base.errors import InputError

__all__ = ["FORMATS", "refuse_unknown", "write_blocks", "write_rows"]

FORMATS = {".fits": "fits", ".csv": "ascii.csv", ".ecsv": "ascii.ecsv", ".parquet": "parquet"}
RECORD = 2880  # bytes; FITS files are padded to a multiple


def write_rows(table: Table, path: Path) -> None:
    """Write one table; see `write_blocks`.

    Raises:
        InputError: if the suffix is not one of `FORMATS`.
    """
    write_blocks([table], path)


def write_blocks(blocks: Iterable[Table], path: Path) -> None:
    """Write tables one below the other, one in memory at a time, in the format that the file's suffix names.

    The file appears whole or not at all, and replaces an older one. FITS, ECSV and Parquet keep units and column
    descriptions; CSV keeps neither.

    Args:
        blocks: at least one table; all have columns of the same names, types and widths.
        path: the file to write.

    Raises:
        InputError: if the suffix is not one of `FORMATS`.
    """
    refuse_unknown(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as growing:
        _WRITERS.get(path.suffix, _write_text)(iter(blocks), growing)


def refuse_unknown(path: Path) -> None:
    """Raise if a file's suffix is not one of `FORMATS`.

    Raises:
        InputError: listing the suffixes.
    """
    if path.suffix not in FORMATS:
        raise InputError(f"{path}: cannot tell the format; it must end in {', '.join(FORMATS)}")


def _write_text(blocks: Iterator[Table], path: Path) -> None:
    """Write CSV or ECSV, with the header of the first block."""
    with path.open("w") as file:
        for number, block in enumerate(blocks):
            text = StringIO()
            block.write(text, format=FORMATS[path.suffix])
            lines = text.getvalue().splitlines(keepends=True)
            file.writelines(lines[len(lines) - len(block) :] if number else lines)


def _write_parquet(blocks: Iterator[Table], path: Path) -> None:
    """Write each block as a row group, with the metadata that astropy makes for the first."""
    first = next(blocks)
    first.write(path, format="parquet")
    schema = pq.read_schema(path)
    with pq.ParquetWriter(path, schema) as file:
        for block in _with(first, blocks):
            file.write_table(pa.table([pa.array(block[name].data) for name in schema.names], schema=schema))


def _write_fits(blocks: Iterator[Table], path: Path) -> None:
    """Write the first block as astropy does, the rows of the others below it, and finally the number of rows."""
    rows = size = 0
    with path.open("wb") as file:
        for block in blocks:
            hdu = _hdu(block)
            whole = BytesIO()
            fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(whole)
            content, wanted = whole.getbuffer(), len(block) * hdu.header["NAXIS1"]
            start = len(content) - _padded(wanted)
            if not rows:
                header = bytes(content[:start])
                file.write(header)
            file.write(content[start : start + wanted])
            rows, size = rows + len(block), size + wanted
        file.write(bytes(_padded(size) - size))
        card = fits.Card("NAXIS2", rows, "number of table rows")
        file.seek(header.index(b"NAXIS2  ="))
        file.write(str(card).encode())


def _padded(size: int) -> int:
    return -(-size // RECORD) * RECORD


def _with(first: Table, others: Iterator[Table]) -> Iterator[Table]:
    yield first
    yield from others


def _hdu(table: Table) -> fits.BinTableHDU:
    """Return the table as FITS, with descriptions as TCOMM keywords, which TOPCAT shows.

    Text beyond ASCII is written as UTF-8, which the standard does not know and programs read nevertheless.
    """
    plain = Table(table, copy=False)
    # A header must be ASCII.
    plain.meta = {name: str(value).encode("ascii", "backslashreplace").decode() for name, value in table.meta.items()}
    for name in plain.colnames:
        if plain[name].dtype.kind == "U":
            plain[name] = _in_bytes(plain[name])
        if (unit := plain[name].unit) is not None and not _in_fits(unit):
            plain[name].description = f"{plain[name].description or name} [{unit}]"
            plain[name].unit = None
    hdu = fits.table_to_hdu(plain)
    for i, name in enumerate(plain.colnames, start=1):
        if plain[name].description:
            hdu.header[f"TCOMM{i}"] = plain[name].description
    return hdu


def _in_bytes(text: Column) -> Column:
    """Return text in UTF-8, in as many bytes as it has room for characters, or as many as it needs."""
    encoded = [one.encode() for one in text.tolist()]
    room = max(text.dtype.itemsize // 4, *map(len, encoded))
    return Column(np.array(encoded, dtype=f"S{room}"), text.name, unit=text.unit, description=text.description)


def _in_fits(unit: u.UnitBase) -> bool:
    """Whether the FITS standard has a unit; it has no logarithmic ones."""
    try:
        unit.to_string("fits")
    except ValueError:
        return False
    return True


_WRITERS: dict[str, Callable[[Iterator[Table], Path], None]] = {".fits": _write_fits, ".parquet": _write_parquet}
