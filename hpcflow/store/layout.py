"""Where the rows of an array lie: chunks, the least that is read, and files, the least that is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from numpy.typing import NDArray

__all__ = ["Layout", "Variable", "chunk_rows", "partition_rows"]

KNOWN_CHUNK = 4096  # rows of an array that is known when the group is made
KNOWN_TEXT_CHUNK = 16_384  # of text, which cannot be cut finer than its files
KNOWN_FILE = 64 * KNOWN_CHUNK


class Layout(NamedTuple):
    """Shapes of a chunk and of a file; a file is one chunk where the latter is None."""

    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None


@dataclass(frozen=True)
class Variable:
    """One array of a group, cut into partitions along its first axis.

    Args:
        dims: names of its axes.
        shape: its size.
        dtype: of its elements; "str" for text of any length.
        fill: what is read where nothing was written.
        rows: rows of the first axis in one chunk, the least that is read; None for a whole partition.
        attrs: units, long_name and the other attributes a reader needs.
        values: the array itself, where it is known when the group is made.
        split: whether every entry of the last axis has chunks of its own.
        small: whether to spend more time on compressing it.
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
        """Return how it is cut where partitions have so many rows: a file is one partition's.

        An array that is known has one writer, who may fill larger files: there are few of them, however small the
        partitions.

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
        file = min(file, -(-total // chunk) * chunk)  # no larger than what it holds
        # One chunk a file needs no index; text has no fixed width to cut files from.
        whole = self.dtype == "str" or (chunk == file and not self.split)
        return Layout((chunk, *rest[:-1], 1) if self.split else (chunk, *rest), None if whole else (file, *rest))


def chunk_rows(shard: int, wanted: int) -> int:
    """Return how many rows a chunk has, at most `wanted`, so that a shard of `shard` rows is a number of whole chunks.

    A shard that reached beyond its partition would have two writers. Where no number of chunks goes, it is one.

    >>> chunk_rows(50_000, 10_000), chunk_rows(15_000, 10_000), chunk_rows(10_007, 10_000)
    (10000, 7500, 10007)
    """
    most = max(n for n in range(1, min(shard, wanted) + 1) if shard % n == 0)
    return most if 8 * most >= wanted else shard


def partition_rows(rows: int, chunk: int) -> int:
    """Return how many of `rows` suit a partition: whole chunks, some 64 partitions, but at most 1024 rows.

    A partition is a file of every variable, and what is done again after a kill.

    >>> [partition_rows(n, 64) for n in (100, 20_000, 10_000_000)]
    [64, 320, 1024]
    """
    return min(chunk * -(-rows // (64 * chunk)), 1024)
