"""What an installed pcigale consists of, as hashes: versions of it differ by up to 39 % in young populations."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

__all__ = ["digest_arrays", "digest_package", "filter_digest"]


def digest_arrays(values: Mapping[str, Any]) -> str:
    """Return a hash of the arrays among some values, and of their names."""
    found = hashlib.sha256()
    for name in sorted(values):
        if isinstance(values[name], np.ndarray):
            found.update(name.encode())
            found.update(np.ascontiguousarray(values[name]).tobytes())
    return found.hexdigest()[:16]


def digest_package(package: ModuleType) -> str:
    """Return a hash of a package's Python files: version numbers of checkouts say little."""
    folder = Path(str(package.__file__)).parent
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        found.update(str(path.relative_to(folder)).encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def filter_digest(sed: Any, name: str) -> str:
    """Return a hash of a filter curve, as pcigale resampled it for a spectrum whose flux it was asked for."""
    cached = {str(key): value for key, value in sed.cache_filters.items() if name in key}
    flat = {f"{key}.{i}": part for key, value in cached.items() for i, part in enumerate(value)}
    return digest_arrays(flat) if flat else "unknown"
