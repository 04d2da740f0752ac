"""Tables of one row per cluster, written in the formats that other programs read."""

from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from hpcflow.errors import InputError

__all__ = ["FORMATS", "write_rows"]

FORMATS = {".fits": "fits", ".csv": "ascii.csv", ".ecsv": "ascii.ecsv", ".parquet": "parquet"}


def write_rows(table: Table, path: Path) -> None:
    """Write a table in the format its name ends in, whole or not at all; a file that is there is replaced.

    FITS keeps units and column descriptions in the header, ECSV and Parquet keep both; CSV keeps neither.

    Raises:
        InputError: if the ending is none of `FORMATS`.
    """
    if path.suffix not in FORMATS:
        raise InputError(f"{path}: cannot tell the format; end the name in {', '.join(FORMATS)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    growing = path.with_name(f".new-{path.name}")
    growing.unlink(missing_ok=True)
    if path.suffix == ".fits":
        _fits(table).writeto(growing)
    else:
        table.write(growing, format=FORMATS[path.suffix])
    growing.replace(path)


def _fits(table: Table) -> fits.HDUList:
    """Return the table as FITS, descriptions as the TCOMM keywords that TOPCAT shows."""
    plain = Table(table, copy=False)
    for name in plain.colnames:
        if plain[name].dtype.kind == "T":  # numpy's variable-length text
            plain[name] = np.asarray(plain[name], dtype=np.str_)
    hdu = fits.table_to_hdu(plain)
    for i, name in enumerate(table.colnames, start=1):
        if table[name].info.description:
            hdu.header[f"TCOMM{i}"] = table[name].info.description
    return fits.HDUList([fits.PrimaryHDU(), hdu])
