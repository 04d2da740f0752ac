"""Zarr groups that are written partition by partition (the only file that imports zarr).

A group is first created with its metadata only. After that, each partition writes its own aligned region of every
array, and its entry of `status` last. Whatever happens, a partition is either marked as done and complete, or is
computed again.
"""

import shutil
import warnings
from collections.abc import Iterable, Mapping
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
from hpcflow.base.machine import limit_of
from hpcflow.base.partitions import Partition, partitions
from hpcflow.store.damage import CHANGED, DamagedError, checksum
from hpcflow.store.layout import Variable
from hpcflow.store.seal import SEAL, is_intact, seal_of

__all__ = ["Regions"]

DONE = 1
FAST = BloscCodec(cname="lz4", shuffle="bitshuffle")
SMALL = BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle")


class Regions:
    """A Zarr group whose partitions of rows are each written once, in any order, by any process.

    A shard, the smallest unit of writing, holds rows of a single partition, so two writers never share one.
    """

    def __init__(self, path: Path, group: zarr.Group) -> None:
        self.path, self._group = path, group
        self._arrays: dict[str, Any] = {}
        self.attrs: dict[str, Any] = dict(group.attrs)
        self.rows, self.size = int(self.attrs["rows"]), int(self.attrs["partition_size"])
        self._sealed = SEAL in self.attrs  # groups of earlier versions are not

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
        """Create a group with nothing but its metadata and given values, all at once or not at all.

        Args:
            path: folder of the group; it must not exist.
            schema: name and version of its contents, e.g. "simulations/1".
            rows: length N of the partitioned axis.
            size: rows per partition; the last one may be shorter.
            variables: arrays by name.
            attrs: attributes of the group.
            counters: names and meanings of the integers kept for each partition.
            notes: names and meanings of the texts kept for each partition.

        Raises:
            InputError: if `path` already exists.
        """
        if path.exists():
            raise InputError(f"{path} already exists; open it to continue, or remove it to start again")
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_folder(path, new=True) as growing:
            group = zarr.create_group(
                growing, zarr_format=3, attributes={"schema": schema, "rows": rows, "partition_size": size, **attrs}
            )
            count = len(partitions(rows, size))
            for name, variable in variables.items():
                _create_array(group, name, variable, min(size, rows))
            whole = {**counters, "status": "1 if the partition is complete, else 0"}
            for kind, fill, names in (("int64", 0, whole), ("str", "", notes)):
                for name, meaning in names.items():
                    variable = Variable(("partition",), (count,), kind, fill, 1, {"long_name": meaning})
                    _create_array(group, name, variable, 1)
            group.attrs[SEAL] = seal_of(growing)
            with warnings.catch_warnings():
                # Only this group's own fixed metadata are consolidated, so readers of any version can ignore them.
                warnings.filterwarnings("ignore", message="Consolidated metadata")
                zarr.consolidate_metadata(group.store)
        return cls.open(path, schema)

    @classmethod
    def open(cls, path: Path, schema: str, *others: str) -> "Regions":
        """Open a group for reading and for writing partitions.

        Args:
            path: folder of the group.
            schema: the schema that it should have.
            others: further schemas that will do.

        Raises:
            InputError: if there is no group at `path`, it has another schema, or its metadata cannot be read.
        """
        try:
            group = zarr.open_group(path, mode="r+", use_consolidated=False)
        except (GroupNotFoundError, FileNotFoundError) as e:
            raise InputError(f"{path} does not exist; run the stage that writes it first") from e
        except Exception as e:  # whatever the parser makes of it
            raise _unreadable(path, e) from e
        holds = group.attrs.get("schema")
        if holds not in (schema, *others):
            raise InputError(
                f"{path} holds {holds}, but this version of hpcflow reads {schema}; remove it and make it again"
            )
        try:
            found = cls(path, group)
            intact = not found._sealed or is_intact(path)
        except (LookupError, TypeError, ValueError, AttributeError) as e:
            raise _unreadable(path, e) from e
        if not intact:
            raise InputError(
                f"{path}: its metadata, or names of parameters or bands, are not what was written; restore them from "
                "a copy, or remove it to make it again"
            )
        return found

    @property
    def partitions(self) -> list[Partition]:
        """All partitions, whether complete or not."""
        return partitions(self.rows, self.size)

    def missing(self) -> list[Partition]:
        """Return the partitions that are not complete."""
        status = self.read("status")
        return [p for p in self.partitions if status[p.index] != DONE]

    def complete(self) -> list[Partition]:
        """Return the partitions that are complete."""
        left = set(self.missing())
        return [p for p in self.partitions if p not in left]

    def finished(self) -> list[float]:
        """Return the times at which partitions were marked as complete, in seconds since 1970, ascending."""
        marks = (self.path / "status" / "c").glob("*")
        return sorted(mark.stat().st_mtime for mark in marks if mark.name.isdigit())

    def write(
        self,
        partition: Partition,
        arrays: Mapping[str, NDArray[Any]],
        records: Mapping[str, int | str] = MappingProxyType({}),
    ) -> None:
        """Write one partition's rows of the given arrays, its counters and notes, then mark it as complete.

        Raises:
            ValueError: if the partition is not one of the group's, or an array has another number of rows. Zarr would
                write an unaligned region without complaint, and neighbouring rows would be lost.
        """
        start = partition.index * self.size
        expected = Partition(partition.index, start, min(start + self.size, self.rows))
        if partition != expected or not 0 <= start < self.rows:
            raise ValueError(f"{partition} is not a partition of {self.path}, whose partitions have {self.size} rows")
        for name, values in arrays.items():
            if len(values) != len(partition):
                raise ValueError(f"{name}: {len(values)} rows for a partition of {len(partition)}")
            self._clear(name, partition)
            self._array(name)[partition.start : partition.stop] = values
        for name, record in {**records, "status": DONE}.items():  # the status comes last
            self._array(name)[partition.index] = record

    def _clear(self, name: str, partition: Partition) -> None:
        """Remove a partition's file from an earlier attempt, which Zarr would read first even if it is truncated."""
        left = self.path / name / "c" / str(partition.index)
        if left.is_dir():
            shutil.rmtree(left)
        left.unlink(missing_ok=True)

    def forget(self, partition: Partition) -> None:
        """Mark a partition as not complete, so that it is computed again."""
        self._array("status")[partition.index] = 0

    def read(self, name: str, partition: Partition | None = None) -> NDArray[Any]:
        """Return an array, or one partition's rows of it.

        Raises:
            DamagedError: if it cannot be read.
        """
        rows = slice(None) if partition is None else slice(partition.start, partition.stop)
        return np.asarray(self._read(name, rows))

    def checksum(self, *arrays: NDArray[Any]) -> int:
        """Return the checksum of arrays of this group."""
        return checksum(*arrays, sealed=self._sealed)

    def checked(self, partition: Partition, names: Iterable[str]) -> list[NDArray[Any]]:
        """Return a finished partition's rows of arrays after comparing their checksum with its counter `checksum`.

        Raises:
            DamagedError: if they cannot be read, or the checksum does not match.
        """
        part = f"partition {partition.index}"
        try:
            arrays = [self.read(name, partition) for name in names]
            expected = self.record("checksum", partition)
        except DamagedError as e:
            raise DamagedError(self.path, part, e.reason) from e
        if self.checksum(*arrays) != expected:
            raise DamagedError(self.path, part, CHANGED)
        return arrays

    def names(self, dim: str) -> list[str]:
        """Return the names of the arrays whose first axis is `dim`, in alphabetical order.

        Raises:
            InputError: if the metadata of an array cannot be read.
        """
        arrays: Any = self._group.arrays()
        try:
            return sorted(name for name, array in arrays if array.metadata.dimension_names[0] == dim)
        except Exception as e:
            raise _unreadable(self.path, e) from e

    def empty(self, name: str, rows: int) -> NDArray[Any]:
        """Return `rows` rows of an array filled with its fill value."""
        array = self._array(name)
        return np.full((rows, *array.shape[1:]), array.fill_value, dtype=array.dtype)

    def record(self, name: str, partition: Partition) -> Any:
        """Return a counter or note of one partition."""
        return self._read(name, partition.index).item()

    def _read(self, name: str, rows: int | slice) -> Any:
        try:
            return self._array(name)[rows]
        except Exception as e:  # the decoder of a truncated shard may raise anything
            _raise_if_the_machines(e)
            raise DamagedError(self.path, f"its array {name}", f"{type(e).__name__}: {e}") from e

    def _array(self, name: str) -> Any:
        if name not in self._arrays:
            self._arrays[name] = self._group[name]
        return self._arrays[name]


def _unreadable(path: Path, error: Exception) -> InputError:
    """Return what to raise about metadata that cannot be read."""
    _raise_if_the_machines(error)
    said = f"{type(error).__name__}: {error}"
    return InputError(
        f"{path}: its metadata cannot be read ({said:.200}); restore its zarr.json, or remove it to make it again"
    )


def _raise_if_the_machines(error: Exception) -> None:
    if isinstance(error, OSError) or limit_of(error):
        raise error


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
        step = (shards or chunks)[0]  # one file at a time, because text takes much more memory while it is written
        for start in range(0, variable.shape[0], step):
            array[start : start + step] = np.asarray(variable.values[start : start + step], dtype=kind)
