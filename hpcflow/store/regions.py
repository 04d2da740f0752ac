"""Zarr groups written region by region (the only file that imports zarr).

A group is made whole, metadata only, before anything is written to it; after that every partition writes its
own aligned region of every array, and last its entry of `status`. Whatever happens, a partition is either
marked done and complete, or is done again.
"""

import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec
from zarr.errors import GroupNotFoundError

from hpcflow.base.atomic import atomic_folder
from hpcflow.base.errors import InputError
from hpcflow.base.partitions import Partition, partitions
from hpcflow.store.layout import Variable

__all__ = ["Regions"]

DONE = 1
FAST = BloscCodec(cname="lz4", shuffle="bitshuffle")
SMALL = BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle")


class Regions:
    """A Zarr group of which partitions of rows are written once each, in any order, by anybody.

    A shard is the least that may be written, and is a partition's rows: two writers never share one.
    """

    def __init__(self, path: Path, group: zarr.Group) -> None:
        self.path, self._group = path, group
        self._arrays: dict[str, Any] = {}
        self.attrs: dict[str, Any] = dict(group.attrs)
        self.rows, self.size = int(self.attrs["rows"]), int(self.attrs["partition_size"])

    @classmethod
    def create(
        cls,
        path: Path,
        schema: str,
        rows: int,
        size: int,
        variables: Mapping[str, Variable],
        attrs: Mapping[str, Any],
        counters: Mapping[str, str] = MappingProxyType({}),
        notes: Mapping[str, str] = MappingProxyType({}),
    ) -> "Regions":
        """Make a group that holds nothing but its metadata, all at once or not at all.

        Args:
            path: folder of the group; it must not exist.
            schema: name and version of what it holds, e.g. "simulations/1".
            rows: length N of the partitioned axis.
            size: rows in one partition; the last one may be shorter.
            variables: arrays by name.
            attrs: attributes of the group.
            counters: whole numbers kept per partition beside its status, with what they count.
            notes: texts kept per partition, with what they say.

        Raises:
            InputError: if there is something at `path` already.
        """
        if path.exists():
            raise InputError(f"{path} exists already; open it to go on with it, or remove it to start again")
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_folder(path, new=True) as growing:
            group = zarr.create_group(
                growing, zarr_format=3, attributes={"schema": schema, "rows": rows, "partition_size": size, **attrs}
            )
            count = len(partitions(rows, size))
            for name, variable in variables.items():
                _create_array(group, name, variable, min(size, rows))
            whole = {**counters, "status": "1 where the partition is complete"}
            for kind, fill, names in (("int64", 0, whole), ("str", "", notes)):
                for name, meaning in names.items():
                    variable = Variable(("partition",), (count,), kind, fill, 1, {"long_name": meaning})
                    _create_array(group, name, variable, 1)
            with warnings.catch_warnings():
                # Nothing but this group's own fixed metadata is consolidated, so readers of any version can ignore it.
                warnings.filterwarnings("ignore", message="Consolidated metadata")
                zarr.consolidate_metadata(group.store)
        return cls.open(path, schema)

    @classmethod
    def open(cls, path: Path, schema: str) -> "Regions":
        """Open a group for reading and for writing its partitions.

        Raises:
            InputError: if there is no group at `path`, or it holds something else.
        """
        try:
            group = zarr.open_group(path, mode="r+", use_consolidated=False)
        except (GroupNotFoundError, FileNotFoundError) as e:
            raise InputError(f"{path} does not exist; run the stage that writes it first") from e
        found = group.attrs.get("schema")
        if found != schema:
            raise InputError(f"{path} holds {found}, but this version of hpcflow reads {schema}; make it anew")
        return cls(path, group)

    @property
    def partitions(self) -> list[Partition]:
        """All partitions, finished or not."""
        return partitions(self.rows, self.size)

    def missing(self) -> list[Partition]:
        """Partitions that are not complete."""
        status = np.asarray(self._array("status")[:])
        return [p for p in self.partitions if status[p.index] != DONE]

    def finished(self) -> list[float]:
        """Return when each complete partition was marked so, in seconds since 1970, rising."""
        marks = (self.path / "status" / "c").glob("*")
        return sorted(mark.stat().st_mtime for mark in marks if mark.name.isdigit())

    def write(
        self,
        partition: Partition,
        arrays: Mapping[str, NDArray[Any]],
        records: Mapping[str, int | str] = MappingProxyType({}),
    ) -> None:
        """Write one partition's rows of the arrays named, its counters and notes, then mark it complete.

        Raises:
            ValueError: if the partition is not one of the group's, or an array has another number of rows. An
                unaligned region would be written without complaint, and lose its neighbours' rows.
        """
        start = partition.index * self.size
        expected = Partition(partition.index, start, min(start + self.size, self.rows))
        if partition != expected or not 0 <= start < self.rows:
            raise ValueError(f"{partition} is not a partition of {self.path}, which is cut every {self.size} rows")
        for name, values in arrays.items():
            if len(values) != len(partition):
                raise ValueError(f"{name}: {len(values)} rows for a partition of {len(partition)}")
            self._clear(name, partition)
            self._array(name)[partition.start : partition.stop] = values
        for name, record in {**records, "status": DONE}.items():  # the status comes last
            self._array(name)[partition.index] = record

    def _clear(self, name: str, partition: Partition) -> None:
        """Remove what an earlier attempt left in a partition's file: Zarr would read it first, whole or torn."""
        left = self.path / name / "c" / str(partition.index)
        if left.is_dir():
            shutil.rmtree(left)
        left.unlink(missing_ok=True)

    def forget(self, partition: Partition) -> None:
        """Mark a partition as not complete, so that it is made again."""
        self._array("status")[partition.index] = 0

    def read(self, name: str, partition: Partition | None = None) -> NDArray[Any]:
        """Return an array, or one partition's rows of it."""
        rows = slice(None) if partition is None else slice(partition.start, partition.stop)
        return np.asarray(self._array(name)[rows])

    def names(self, dim: str) -> list[str]:
        """Return the arrays whose first axis has this name, in alphabetical order."""
        arrays: Any = self._group.arrays()
        return sorted(name for name, array in arrays if array.metadata.dimension_names[0] == dim)

    def empty(self, name: str, rows: int) -> NDArray[Any]:
        """Return so many rows of an array as they are where nothing was written."""
        array = self._array(name)
        return np.full((rows, *array.shape[1:]), array.fill_value, dtype=array.dtype)

    def record(self, name: str, partition: Partition) -> Any:
        """Return a counter or note of one partition."""
        return self._array(name)[partition.index].item()

    def _array(self, name: str) -> Any:
        if name not in self._arrays:
            self._arrays[name] = self._group[name]
        return self._arrays[name]


def _create_array(group: zarr.Group, name: str, variable: Variable, partition: int) -> None:
    chunks, shards = variable.layout(partition)
    text = variable.dtype == "str"
    array = group.create_array(
        name,
        shape=variable.shape,
        dtype=variable.dtype,
        chunks=chunks,
        shards=shards,
        fill_value=variable.fill,
        dimension_names=variable.dims,
        attributes=dict(variable.attrs),
        compressors="auto" if text else SMALL if variable.small else FAST,
    )
    if variable.values is not None:
        kind = object if text else variable.dtype
        step = (shards or chunks)[0]  # a file at a time: text takes much more memory while it is written
        for start in range(0, variable.shape[0], step):
            array[start : start + step] = np.asarray(variable.values[start : start + step], dtype=kind)
