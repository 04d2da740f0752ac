"""Clusters of an older archive that a newer one takes over as they are: those with the same photometry."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.partitions import Partition
from hpcflow.store.archive import PosteriorArchive

__all__ = ["Reuse"]

SAME = ("flux", "sigma", "observed", "reason", "distance", "distance_error")  # what a posterior is made of
Key = tuple[str, str]


class Reuse:
    """The finished clusters of an archive.

    Args:
        archive: the older one, of the same flow and settings.
    """

    def __init__(self, archive: PosteriorArchive) -> None:
        self._archive = archive
        names = (archive.read(name).tolist() for name in ("galaxy", "cluster_id"))
        self._rows: dict[Key, int] = {key: row for row, key in enumerate(zip(*names, strict=True))}
        left = {p.index for p in archive.missing()}
        self._done = [p for p in archive.partitions if p.index not in left]

    def find(self, rows: Mapping[str, NDArray[Any]]) -> NDArray[np.intp]:
        """Return the row in the archive of each of some clusters (N,), -1 of those that are new or have changed.

        Args:
            rows: galaxy, cluster_id and what posteriors are made of, as archives have them.
        """
        keys = zip(rows["galaxy"].tolist(), rows["cluster_id"].tolist(), strict=True)
        found = np.array([self._rows.get(key, -1) for key in keys], dtype=np.intp)
        here = np.full(len(found), False)
        for partition, mine in self._parts(found):
            same = np.full(len(mine), True)
            for name in SAME:
                old, new = self._archive.read(name, partition)[found[mine] - partition.start], rows[name][mine]
                equal = (old == new) | ((old != old) & (new != new))  # NaN is NaN
                same &= equal.reshape(len(mine), -1).all(axis=1)
            here[mine] = same
        return np.where(here, found, -1)

    def read(self, found: NDArray[np.intp]) -> dict[str, NDArray[Any]]:
        """Return the variables of rows (M,) of the archive, as they are stored."""
        out: dict[str, NDArray[Any]] = {}
        for partition, mine in self._parts(found):
            for name in self._archive.written:
                values = self._archive.read(name, partition)[found[mine] - partition.start]
                out.setdefault(name, np.empty((len(found), *values.shape[1:]), values.dtype))[mine] = values
        return out

    def _parts(self, rows: NDArray[np.intp]) -> list[tuple[Partition, NDArray[np.intp]]]:
        """Return the finished partitions that rows (N,) are in, with the places of those among the rows."""
        inside = ((p, np.flatnonzero((rows >= p.start) & (rows < p.stop))) for p in self._done)
        return [(p, places) for p, places in inside if len(places)]
