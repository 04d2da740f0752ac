"""Tables of one row per cluster, written in the formats that other programs read."""

from pathlib import Path

from astropy import units as u
from astropy.io import fits
from astropy.table import Table

from hpcflow.errors import InputError

__all__ = ["FORMATS", "refuse_unknown", "write_rows"]

FORMATS = {".fits": "fits", ".csv": "ascii.csv", ".ecsv": "ascii.ecsv", ".parquet": "parquet"}


def write_rows(table: Table, path: Path) -> None:
    """Write a table in the format its name ends in, whole or not at all; a file that is there is replaced.

    FITS keeps units and column descriptions in the header, ECSV and Parquet keep both; CSV keeps neither.

    Raises:
        InputError: if the ending is none of `FORMATS`.
    """
    refuse_unknown(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    growing = path.with_name(f".new-{path.name}")
    growing.unlink(missing_ok=True)
    if path.suffix == ".fits":
        _fits(table).writeto(growing)
    else:
        table.write(growing, format=FORMATS[path.suffix])
    growing.replace(path)


def refuse_unknown(path: Path) -> None:
    """Raise if a file's name does not end in one of `FORMATS`.

    Raises:
        InputError: listing them.
    """
    if path.suffix not in FORMATS:
        raise InputError(f"{path}: cannot tell the format; it must end in {', '.join(FORMATS)}")


def _fits(table: Table) -> fits.HDUList:
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
    return fits.HDUList([fits.PrimaryHDU(), hdu])


def _in_fits(unit: u.UnitBase) -> bool:
    """Whether the FITS standard knows a unit; it has no logarithmic ones."""
    try:
        unit.to_string("fits")
    except ValueError:
        return False
    return True
