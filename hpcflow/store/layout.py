"""The division of arrays into chunks, the units of reading, and files, the units of writing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from numpy.typing import NDArray

__all__ = ["Layout", "Variable", "chunk_rows", "partition_rows"]

KNOWN_CHUNK = 4096  # rows of an array whose values are given when the group is created
KNOWN_TEXT_CHUNK = 16_384  # rows of such text, where every chunk is a file
KNOWN_FILE = 64 * KNOWN_CHUNK


class Layout(NamedTuple):
    """Shapes of a chunk and of a file; each chunk is a file if `shards` is None."""

    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None


@dataclass(frozen=True)
class Variable:
    """One array of a group, divided into partitions along its first axis.

    Args:
        dims: names of the axes.
        shape: lengths of the axes.
        dtype: type of the elements; "str" for text of any length.
        fill: value that is read where nothing has been written.
        rows: rows per chunk; None for a whole partition.
        attrs: units, long_name and other attributes for readers.
        values: the array itself, if it is known when the group is created.
        split: whether each entry of the last axis has its own chunks.
        small: whether to use a slower codec that compresses better.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    fill: Any = None
    rows: int | None = None
    attrs: Mapping[str, Any] = field(default_factory=dict)
    values: Sequence[Any] | NDArray[Any] | None = None
    split: bool = False
    small: bool = False

    def layout(self, partition: int) -> Layout:
        """Return the chunks and files of the array for partitions of this many rows; a file belongs to one partition.

        An array with given values has a single writer and can use larger files, so that they are few
        even if partitions are small.

        >>> Variable(("row", "column"), (1000, 3), "float32", rows=10).layout(50)
        Layout(chunks=(10, 3), shards=(50, 3))
        >>> Variable(("row", "column"), (1000, 3), "float32", rows=10, split=True).layout(50)
        Layout(chunks=(10, 1), shards=(50, 3))
        >>> Variable(("row",), (1000,), "float32").layout(50)
        Layout(chunks=(50,), shards=None)
        >>> Variable(("row",), (10**6,), "float32", values=range(10**6)).layout(50)
        Layout(chunks=(4096,), shards=(262144,))
        """
        total, *rest = self.shape
        if self.values is not None:
            chunk, file = KNOWN_TEXT_CHUNK if self.dtype == "str" else KNOWN_CHUNK, KNOWN_FILE
        else:
            file = min(partition, total)
            chunk = chunk_rows(file, self.rows or file)
        chunk = min(chunk, total)
        file = min(file, -(-total // chunk) * chunk)  # no larger than the array
        # A file of one chunk needs no index, and text has no fixed width to divide files by.
        whole = self.dtype == "str" or (chunk == file and not self.split)
        return Layout((chunk, *rest[:-1], 1) if self.split else (chunk, *rest), None if whole else (file, *rest))


def chunk_rows(shard: int, wanted: int) -> int:
    """Return the number of rows per chunk, at most `wanted`, that divides a shard of `shard` rows into whole chunks.

    A shard that reached beyond its partition would have two writers. If only tiny chunks divide it, it is one chunk.

    >>> chunk_rows(50_000, 10_000), chunk_rows(15_000, 10_000), chunk_rows(10_007, 10_000)
    (10000, 7500, 10007)
    """
    most = max(n for n in range(1, min(shard, wanted) + 1) if shard % n == 0)
    return most if 8 * most >= wanted else shard


def partition_rows(rows: int, chunk: int) -> int:
    """Return the rows per partition: whole chunks, for about 64 partitions of `rows`, but at most 1024 rows.

    A partition is one file of every variable, and the unit of work that is repeated after a crash.

    >>> [partition_rows(n, 64) for n in (100, 20_000, 10_000_000)]
    [64, 320, 1024]
    """
    return min(chunk * -(-rows // (64 * chunk)), 1024)
