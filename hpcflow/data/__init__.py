"""Small tables shipped with hpcflow: stars, gas, isochrones, atmospheres, filter curves, zero points and galaxies.

SOURCES.md lists where they come from. The scripts `make_...` made them from published packages; nothing else in hpcflow
imports them.
"""

from importlib.resources import files
from pathlib import Path

__all__ = ["path"]


def path(name: str) -> Path:
    """Return the path of a shipped file, e.g. `path("galaxies.ecsv")`.

    Args:
        name: path relative to this folder, with forward slashes.

    Raises:
        FileNotFoundError: if no such file ships.

    >>> path("galaxies.ecsv").name
    'galaxies.ecsv'
    """
    found = Path(str(files(__package__))) / name
    if not found.is_file():
        raise FileNotFoundError(f"no file {name} ships with hpcflow; see hpcflow/data/SOURCES.md for those that do")
    return found
