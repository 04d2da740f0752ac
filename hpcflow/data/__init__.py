"""Small tables that ship: an SSP, filter curves, galaxies, each with its source in SOURCES.md.

`make_ssp` and `make_filters` are the scripts that made them from what others publish; nothing in the
package imports those two.
"""

from importlib.resources import files
from pathlib import Path

__all__ = ["path"]


def path(name: str) -> Path:
    """Return where a shipped file lies, e.g. `path("galaxies.ecsv")`.

    Args:
        name: the file's place in this folder, with forward slashes.

    Raises:
        FileNotFoundError: if no such file ships.

    >>> path("galaxies.ecsv").name
    'galaxies.ecsv'
    """
    found = Path(str(files(__package__))) / name
    if not found.is_file():
        raise FileNotFoundError(f"no file {name} ships with hpcflow; see hpcflow/data/SOURCES.md for those that do")
    return found
