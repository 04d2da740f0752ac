"""The seal of a Zarr group: a hash of the metadata and labels that say what its numbers mean.

Checksums of rows do not notice a changed bound of the prior, scale of a packing or name of a parameter.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

__all__ = ["SEAL", "is_intact", "seal_of"]

SEAL = "seal"  # attribute of the group
FREE = (SEAL, "git")  # attributes that are not sealed: the commit that wrote a result is no part of it
METADATA = "zarr.json"


def seal_of(path: Path) -> str:
    """Return the SHA-256 of a group's attributes, the metadata of its arrays, and the values of its labels.

    Args:
        path: folder of the group.
    """
    attributes = _described(path)["attributes"]
    arrays = _arrays(path)
    sealed = {
        "attributes": {key: value for key, value in attributes.items() if key not in FREE},
        "arrays": arrays,
        "labels": {name: _digest(path / name) for name, array in arrays.items() if array["dimension_names"] == [name]},
    }
    return hashlib.sha256(json.dumps(sealed, sort_keys=True).encode()).hexdigest()


def is_intact(path: Path) -> bool:
    """Return whether a sealed group's metadata, and the copy of them for readers, are those of its seal."""
    group = _described(path)
    copy = group["consolidated_metadata"]["metadata"]
    return bool(group["attributes"][SEAL] == seal_of(path) and copy == _arrays(path))


def _described(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / METADATA).read_bytes()))


def _arrays(path: Path) -> dict[str, dict[str, Any]]:
    """Return the metadata of all arrays by name."""
    return {file.parent.name: _described(file.parent) for file in sorted(path.glob(f"*/{METADATA}"))}


def _digest(array: Path) -> str:
    """Return the SHA-256 of an array's files."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(array.glob("c/*")))).hexdigest()
