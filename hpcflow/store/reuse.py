"""Reuse of the posteriors in an older archive for clusters whose photometry is unchanged."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.partitions import Partition
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.kind import given_names

__all__ = ["SAME", "Reuse"]

SAME = ("flux", "sigma", "observed", "reason")  # of the data that determine a posterior, besides what is given
Key = tuple[str, str]


class Reuse:
    """The finished clusters of an archive.

    Args:
        archive: an older archive, made with the same flow and settings.
    """

    def __init__(self, archive: PosteriorArchive) -> None:
        self._archive = archive
        names = (archive.read(name).tolist() for name in ("galaxy", "cluster_id"))
        self._rows: dict[Key, int] = {key: row for row, key in enumerate(zip(*names, strict=True))}
        given = [f"{name}{of}" for name in given_names(archive.attrs) for of in ("", "_error")]
        self._same = (*SAME, *given)
        self._done, self._compared = archive.complete(), set[Partition]()

    def find(self, rows: Mapping[str, NDArray[Any]]) -> NDArray[np.intp]:
        """Return each cluster's row (N,) in the archive, or -1 if the cluster is new or has changed.

        Args:
            rows: galaxy, cluster_id, the variables of `SAME` and what is given with its errors, as in archives.
        """
        keys = zip(rows["galaxy"].tolist(), rows["cluster_id"].tolist(), strict=True)
        found = np.array([self._rows.get(key, -1) for key in keys], dtype=np.intp)
        here = np.full(len(found), False)
        for partition, mine in self._parts(found):
            same = np.full(len(mine), True)
            for name in self._same:
                old, new = self._archive.read(name, partition)[found[mine] - partition.start], rows[name][mine]
                equal = (old == new) | ((old != old) & (new != new))  # NaN equals NaN here
                same &= equal.reshape(len(mine), -1).all(axis=1)
            here[mine] = same
        return np.where(here, found, -1)

    def read(self, found: NDArray[np.intp]) -> dict[str, NDArray[Any]]:
        """Return the inferred variables of rows (M,) of the archive, as they are stored."""
        out: dict[str, NDArray[Any]] = {}
        for partition, mine in self._parts(found):
            for name in self._archive.written:
                values = self._archive.read(name, partition)[found[mine] - partition.start]
                out.setdefault(name, np.empty((len(found), *values.shape[1:]), values.dtype))[mine] = values
        return out

    def _parts(self, rows: NDArray[np.intp]) -> list[tuple[Partition, NDArray[np.intp]]]:
        """Return the finished partitions that contain any of rows (N,), each with the indices of its rows.

        Raises:
            DamagedError: if one of them is damaged.
        """
        inside = ((p, np.flatnonzero((rows >= p.start) & (rows < p.stop))) for p in self._done)
        found = [(p, places) for p, places in inside if len(places)]
        for partition, _ in found:
            if partition not in self._compared:
                self._archive.check(partition)
                self._compared.add(partition)
        return found
