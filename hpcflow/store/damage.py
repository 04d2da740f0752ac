"""Checksums that show whether stored arrays are intact."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import HpcflowError

__all__ = ["CHANGED", "DamagedError", "checksum"]

CHANGED = "its checksum does not match what was written"


class DamagedError(HpcflowError):
    """A part of a store is not what was written, so nothing is read from it.

    Args:
        path: the store.
        part: the part of it.
        reason: what is wrong with it.

    >>> print(DamagedError(Path("runs/a/posteriors.zarr"), "partition 3", "its checksum is wrong"))
    runs/a/posteriors.zarr: partition 3 is damaged (its checksum is wrong); run `hpcflow verify` on its run folder, \
which marks what is to be computed again
    """

    exit_code = 1

    def __init__(self, path: Path, part: str, reason: str) -> None:
        super().__init__(path, part, reason)  # all of them, so that it can be pickled
        self.what, self.reason = f"{path}: {part}", reason

    def __str__(self) -> str:
        return (
            f"{self.what} is damaged ({self.reason:.200}); run `hpcflow verify` on its run folder, "
            "which marks what is to be computed again"
        )


def checksum(*arrays: NDArray[Any], sealed: bool = False) -> int:
    """Return a checksum of the bytes of numeric or text arrays, in which all NaNs are alike.

    Args:
        arrays: the arrays.
        sealed: whether they belong to a group with a seal; without its seal, the checksums of such a group are wrong.

    >>> checksum(np.array([np.nan, 1.0])) == checksum(np.array([-np.nan, 1.0]))
    True
    """
    found = hashlib.blake2b(digest_size=8, person=b"sealed" if sealed else b"")
    for array in arrays:
        if array.dtype.kind == "f":
            array = np.where(np.isnan(array), array.dtype.type(np.nan), array)
        found.update("\0".join(array.tolist()).encode() if array.dtype.kind in "TU" else array.tobytes())
    return int.from_bytes(found.digest(), "little", signed=True)
