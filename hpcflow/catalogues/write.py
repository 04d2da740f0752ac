"""Tables of one row per cluster, written block by block in the formats that other programs read."""

from collections.abc import Callable, Iterable, Iterator
from io import BytesIO, StringIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from astropy import units as u
from astropy.io import fits
from astropy.table import Table

from hpcflow.base.atomic import atomic
from hpcflow.base.errors import InputError

__all__ = ["FORMATS", "refuse_unknown", "write_blocks", "write_rows"]

FORMATS = {".fits": "fits", ".csv": "ascii.csv", ".ecsv": "ascii.ecsv", ".parquet": "parquet"}
RECORD = 2880  # bytes that a FITS file is padded to


def write_rows(table: Table, path: Path) -> None:
    """Write a table as `write_blocks` does.

    Raises:
        InputError: if the ending is none of `FORMATS`.
    """
    write_blocks([table], path)


def write_blocks(blocks: Iterable[Table], path: Path) -> None:
    """Write tables below each other in the format the file's name ends in, one in memory at a time.

    The file is there whole or not at all, and replaces one that was. FITS keeps units and column descriptions in the
    header, ECSV and Parquet keep both; CSV keeps neither.

    Args:
        blocks: at least one; their columns have the same names, types and widths.
        path: the file.

    Raises:
        InputError: if the ending is none of `FORMATS`.
    """
    refuse_unknown(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as growing:
        _WRITERS.get(path.suffix, _write_text)(iter(blocks), growing)


def refuse_unknown(path: Path) -> None:
    """Raise if a file's name does not end in one of `FORMATS`.

    Raises:
        InputError: listing them.
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
    """Write a row group of each block, with the metadata that astropy makes of the first one."""
    first = next(blocks)
    first.write(path, format="parquet")
    schema = pq.read_schema(path)
    with pq.ParquetWriter(path, schema) as file:
        for block in _with(first, blocks):
            file.write_table(pa.table([pa.array(block[name].data) for name in schema.names], schema=schema))


def _write_fits(blocks: Iterator[Table], path: Path) -> None:
    """Write the first block as astropy does, the others' rows below its own, and then how many there are."""
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
    """Return the table as FITS, descriptions as the TCOMM keywords that TOPCAT shows."""
    plain = Table(table, copy=False)
    for name in plain.colnames:
        if (unit := plain[name].unit) is not None and not _in_fits(unit):
            plain[name].description = f"{plain[name].description or name} [{unit}]"
            plain[name].unit = None
    hdu = fits.table_to_hdu(plain)
    for i, name in enumerate(plain.colnames, start=1):
        if plain[name].description:
            hdu.header[f"TCOMM{i}"] = plain[name].description
    return hdu


def _in_fits(unit: u.UnitBase) -> bool:
    """Whether the FITS standard knows a unit; it has no logarithmic ones."""
    try:
        unit.to_string("fits")
    except ValueError:
        return False
    return True


_WRITERS: dict[str, Callable[[Iterator[Table], Path], None]] = {".fits": _write_fits, ".parquet": _write_parquet}
