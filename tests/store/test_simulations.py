"""The library of simulations."""

from pathlib import Path

import numpy as np
import pytest

from hpcflow.base.errors import InputError
from hpcflow.model.prior import Parameter
from hpcflow.store import regions
from hpcflow.store.damage import DamagedError, checksum
from hpcflow.store.simulations import SimulationStore

PARAMETERS = (Parameter("log_age", 6, 10, "dex(yr)"), Parameter("ebv", 0, 1.5, "mag"))


def make(path: Path, n: int = 50, partition: int = 10) -> SimulationStore:
    return SimulationStore.create(
        path, n=n, partition=partition, parameters=PARAMETERS, bands=("B", "V"), seed=1, source={"ssp": "x"}
    )


def fill(store: SimulationStore) -> None:
    for p in store.missing():
        rows = np.arange(p.start, p.stop, dtype=float)[:, None]
        store.write(p, rows + np.array([0.0, 0.5]), rows + np.array([1.0, 2.0]))


def test_train_validation_and_test_are_whole_partitions(tmp_path: Path) -> None:
    store = make(tmp_path / "s.zarr")
    fill(store)
    rows = [store.rows(part)[0][:, 0] for part in ("train", "validation", "test")]
    assert sorted(np.concatenate(rows).tolist()) == list(range(50))
    for part in rows:
        assert set((part // 10).astype(int).tolist()) == {int(r) // 10 for r in part}
        assert len(part) % 10 == 0
    again = SimulationStore.open(tmp_path / "s.zarr")
    assert again.bands == ["B", "V"]
    assert again.parameters == ["log_age", "ebv"]
    np.testing.assert_array_equal(again.rows("test")[1], store.rows("test")[1])


def test_failed_rows_are_counted_and_left_out(tmp_path: Path) -> None:
    store = make(tmp_path / "s.zarr")
    fill(store)
    first = store.partitions[0]
    flux = np.ones((10, 2))
    flux[3] = np.nan
    store.write(first, np.zeros((10, 2)), flux)
    assert store.dataset()["failed"].values.tolist() == [1, 0, 0, 0, 0]
    assert sum(len(store.rows(part)[0]) for part in ("train", "validation", "test")) == 49


def test_an_unfinished_library_is_not_trained_on(tmp_path: Path) -> None:
    store = make(tmp_path / "s.zarr")
    store.write(store.partitions[0], np.zeros((10, 2)), np.ones((10, 2)))
    with pytest.raises(InputError, match="4 partitions are not simulated yet"):
        store.rows("train")


@pytest.mark.parametrize("rows", [None, 1, 25_000, 10**9])
def test_blocks_contain_the_rows_of_a_part(tmp_path: Path, rows: int | None) -> None:
    store = make(tmp_path / "s.zarr", n=150_000, partition=30_000)
    fill(store)
    blocks = store.blocks("train", rows)
    assert max(map(len, blocks)) == {1: 10_000, 25_000: 20_000}.get(rows or 0, 30_000)
    assert [block.index for block in blocks] == list(range(len(blocks)))
    pieces = [store.read_block(block) for block in blocks]
    whole = store.rows("train")
    for column in range(2):
        np.testing.assert_array_equal(np.concatenate([piece[column] for piece in pieces]), whole[column])
    first = store.rows("train", enough=10)
    assert len(first[0]) == 30_000
    np.testing.assert_array_equal(first[1], whole[1][:30_000])


def test_the_range_of_fluxes_ignores_failed_rows(tmp_path: Path) -> None:
    store = make(tmp_path / "s.zarr")
    fill(store)
    flux = store.rows("train")[1]
    np.testing.assert_array_equal(store.flux_range("train"), [flux.min(axis=0), flux.max(axis=0)])
    twice = store.flux_range("train", lambda theta: np.where(theta[:, 0] < np.inf, 2.0, np.nan))
    np.testing.assert_allclose(twice, 2 * store.flux_range("train"))
    for p in store.partitions:
        store.write(p, np.zeros((10, 2)), np.full((10, 2), np.nan))
    with pytest.raises(InputError, match="every simulation of the train partitions failed"):
        store.flux_range("train")


def test_failures_are_counted_by_reason(tmp_path: Path) -> None:
    store = make(tmp_path / "s.zarr")
    nan = np.full((10, 2), np.nan)
    store.write(store.partitions[0], nan, nan, {"too old": 7, "died; exit 11 x 2": 3})
    store.write(store.partitions[1], nan, nan, {"too old": 10})
    assert SimulationStore.open(tmp_path / "s.zarr").failures() == {"too old": 17, "died; exit 11 x 2": 3}
    assert store.dataset()["reason"].values.tolist()[2:] == ["", "", ""]


def test_a_partition_is_read_as_it_was_written(tmp_path: Path) -> None:
    store = make(tmp_path / "s.zarr")
    rng = np.random.default_rng(1)
    theta, flux = rng.random((10, 2)), rng.random((10, 2))
    flux[2] = -np.nan
    store.write(store.partitions[1], theta, flux)
    found = store.read(store.partitions[1])
    np.testing.assert_array_equal(found[0], theta.astype(np.float32))
    np.testing.assert_array_equal(found[1], flux.astype(np.float32))


def damage(store: Path, array: str, harm: str) -> None:
    """Damage the second partition of an array."""
    shards = [next(p for p in (store / array / "c" / i).rglob("*") if p.is_file()) for i in "12"]
    if harm == "torn":
        shards[0].write_bytes(shards[0].read_bytes()[:-7])
    elif harm == "empty":
        shards[0].write_bytes(b"")
    elif harm == "lost":
        shards[0].unlink()
    elif harm == "swapped":
        shards[0].write_bytes(shards[1].read_bytes())
    else:
        content = bytearray(shards[0].read_bytes())
        content[-1] ^= 1
        shards[0].write_bytes(content)


HARMS = ["torn", "empty", "lost", "flipped", "swapped"]


@pytest.mark.parametrize("array", ["theta", "flux"])
@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_partition_is_noticed(tmp_path: Path, array: str, harm: str) -> None:
    store = make(tmp_path / "s.zarr")
    fill(store)
    damage(store.path, array, harm)
    with pytest.raises(DamagedError):
        store.read(store.partitions[1])
    store.read(store.partitions[3])
    store.forget(store.partitions[1])
    assert store.missing() == [store.partitions[1]]


@pytest.mark.parametrize("array", ["theta", "flux"])
@pytest.mark.parametrize("harm", HARMS)
def test_training_does_not_read_a_damaged_partition(tmp_path: Path, array: str, harm: str) -> None:
    store = make(tmp_path / "s.zarr")
    fill(store)
    damage(store.path, array, harm)
    part = next(part for part in ("train", "validation", "test") if any(b.start == 10 for b in store.blocks(part)))
    with pytest.raises(DamagedError, match=r"s\.zarr: partition 1 is damaged \(.*run `hpcflow verify`"):
        store.rows(part)


def test_the_checksum_of_a_partition_is_compared_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many blocks are read of it, and however often."""
    store = make(tmp_path / "s.zarr", n=60_000, partition=20_000)
    fill(store)
    compared = list[int]()
    monkeypatch.setattr(
        regions, "checksum", lambda *arrays, **how: compared.append(len(arrays[0])) or checksum(*arrays, **how)
    )
    blocks = store.blocks("train", 10_000)
    assert [len(block) for block in blocks] == [10_000, 10_000]
    first = [store.read_block(block)[0] for block in [*blocks, *blocks]]
    assert compared == [20_000]
    np.testing.assert_array_equal(np.concatenate(first[:2]), np.concatenate(first[2:]))
    np.testing.assert_array_equal(np.concatenate(first[:2])[:, 0], np.arange(blocks[0].start, blocks[1].stop))
