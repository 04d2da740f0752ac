"""Files of tables, FITS, ECSV, CSV or Parquet, read whole or refused with a sentence."""

import warnings
from pathlib import Path

from astropy.table import Table

from hpcflow.base.errors import InputError

__all__ = ["FORMATS", "by_row", "load_table"]

FORMATS = {
    ".fits": "fits",
    ".fit": "fits",
    ".fits.gz": "fits",
    ".csv": "ascii.csv",
    ".ecsv": "ascii.ecsv",
    ".parquet": "parquet",
}
LONGEST_LINE = 1_000_000


def load_table(path: Path) -> Table:
    """Return a file's table, at least one row.

    Raises:
        InputError: if the suffix is none of `FORMATS`, the file cannot be read as that, or it has no row.
    """
    if not path.is_file():
        raise InputError(f"table {path} does not exist or is not a file; correct its path")
    name = path.name.lower()
    kind = next((FORMATS[suffix] for suffix in FORMATS if name.endswith(suffix)), None)
    if kind is None:
        raise InputError(f"{path} is of no known kind; convert it to one of {', '.join(FORMATS)}")
    if kind.startswith("ascii"):
        _refuse_long_lines(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # units and headers that are not to the standard
            warnings.filterwarnings("error", message=".*truncated.*")
            table = Table.read(path, format=kind, **({"memmap": False} if kind == "fits" else {}))
    except Exception as e:  # whatever a broken file does to a parser, its user has to mend the file
        raise InputError(
            f"{path} cannot be read as a {kind} table, it may be truncated: fetch or write it again "
            f"({' '.join(str(e).split())})"
        ) from e
    return by_row(table, path)


def by_row(table: Table, path: Path) -> Table:
    """Return a table, at least one row, without the columns that have several values for a row.

    Raises:
        InputError: if it has no row.
    """
    if len(table) == 0:
        raise InputError(f"{path} has no rows; give a catalogue with at least one cluster")
    table.keep_columns([name for name in table.colnames if table[name].ndim == 1])
    return table


def _refuse_long_lines(path: Path) -> None:
    """Raise if a text has a line that no catalogue has: as a column of fixed width, it could fill the memory."""
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), start=1):
            if len(line) == LONGEST_LINE:
                raise InputError(f"{path}: line {number} has over {LONGEST_LINE:,} characters; correct its quotes")
