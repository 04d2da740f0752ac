"""Groups are created whole, written in aligned regions, and marked last."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dead_writer import die_while_writing
from hpcflow.base.errors import InputError
from hpcflow.base.partitions import Partition, partitions
from hpcflow.store.layout import Variable
from hpcflow.store.regions import Regions

SCHEMA = "test/1"


def make(path: Path, rows: int = 10, size: int = 4) -> Regions:
    variables = {
        "name": Variable(("row",), (rows,), "str", ""),
        "x": Variable(("row", "column"), (rows, 3), "float32", np.nan, 2, {"units": "mJy"}),
        "known": Variable(("row",), (rows,), "int32", 0, values=np.arange(rows)),
    }
    return Regions.create(path, SCHEMA, rows, size, variables, {"seed": 1}, {"failed": "rows that failed"})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    regions = make(tmp_path / "a.zarr")
    for partition in regions.missing():
        names = np.array([f"n{i}" for i in range(partition.start, partition.stop)])
        x = np.full((len(partition), 3), partition.index, dtype=np.float32)
        regions.write(partition, {"name": names, "x": x}, {"failed": partition.index})
    assert regions.missing() == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ds = xr.open_zarr(tmp_path / "a.zarr")
    assert ds["name"].values.tolist() == [f"n{i}" for i in range(10)]
    assert ds["x"].values[:, 0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]
    assert ds["known"].values.tolist() == list(range(10))
    assert ds["failed"].values.tolist() == [0, 1, 2]
    assert ds["x"].attrs["units"] == "mJy"


def test_unmarked_partitions_are_missing(tmp_path: Path) -> None:
    regions = make(tmp_path / "a.zarr")
    regions.write(regions.partitions[1], {"x": np.ones((4, 3))})
    assert [p.index for p in Regions.open(tmp_path / "a.zarr", SCHEMA).missing()] == [0, 2]


@pytest.mark.parametrize(
    "partition", [Partition(0, 1, 5), Partition(0, 0, 3), Partition(5, 20, 24), Partition(2, 8, 12)]
)
def test_unaligned_regions_are_refused(tmp_path: Path, partition: Partition) -> None:
    regions = make(tmp_path / "a.zarr")
    with pytest.raises(ValueError, match="not a partition"):
        regions.write(partition, {"x": np.ones((len(partition), 3))})


def test_another_number_of_rows_is_refused_and_not_marked(tmp_path: Path) -> None:
    regions = make(tmp_path / "a.zarr")
    with pytest.raises(ValueError, match="3 rows for a partition of 4"):
        regions.write(regions.partitions[0], {"x": np.ones((3, 3))})
    assert len(regions.missing()) == 3


@pytest.mark.parametrize("size", [3, 4, 5, 6])
def test_a_shard_belongs_to_one_partition(tmp_path: Path, size: int) -> None:
    """No two partitions share a file, so writers of one cannot lose rows of the other."""
    regions = make(tmp_path / "a.zarr", size=size)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "a.zarr").rglob("*") if p.is_file()}
    owners: dict[str, int] = {}
    for partition in regions.partitions:
        regions.write(partition, {"name": np.full(len(partition), "n"), "x": np.ones((len(partition), 3))})
        for path in (tmp_path / "a.zarr").rglob("*"):
            if path.is_file() and before.get(path) != path.stat().st_mtime_ns:
                assert owners.setdefault(str(path), partition.index) == partition.index
                before[path] = path.stat().st_mtime_ns
    assert set(owners.values()) == set(range(len(regions.partitions)))


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    make(tmp_path / "a.zarr")
    with pytest.raises(InputError, match="already exists"):
        make(tmp_path / "a.zarr")


def test_remains_of_a_crash_are_removed(tmp_path: Path) -> None:
    die_while_writing(tmp_path / "a.zarr")
    make(tmp_path / "a.zarr")
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


def test_another_schema_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "a.zarr")
    with pytest.raises(InputError, match="holds test/1, but this version of hpcflow reads test/2"):
        Regions.open(tmp_path / "a.zarr", "test/2")
    with pytest.raises(InputError, match="does not exist"):
        Regions.open(tmp_path / "b.zarr", SCHEMA)


@pytest.mark.parametrize(("rows", "size"), [(1, 1), (5, 5), (5, 7), (9, 2), (100, 33)])
def test_any_division_into_partitions_reads_back(tmp_path: Path, rows: int, size: int) -> None:
    regions = make(tmp_path / "a.zarr", rows, size)
    values = np.arange(3 * rows, dtype=np.float32).reshape(rows, 3)
    for partition in reversed(partitions(rows, size)):
        regions.write(partition, {"x": values[partition.start : partition.stop]})
    np.testing.assert_array_equal(regions.read("x"), values)
