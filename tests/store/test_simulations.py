"""The library of simulations."""

from pathlib import Path

import numpy as np
import pytest

from hpcflow.errors import InputError
from hpcflow.model.prior import Parameter
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
def test_blocks_have_the_rows_of_a_part(tmp_path: Path, rows: int | None) -> None:
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


def test_the_range_of_fluxes_is_that_of_the_good_rows(tmp_path: Path) -> None:
    store = make(tmp_path / "s.zarr")
    fill(store)
    flux = store.rows("train")[1]
    np.testing.assert_array_equal(store.flux_range("train"), [flux.min(axis=0), flux.max(axis=0)])
    for p in store.partitions:
        store.write(p, np.zeros((10, 2)), np.full((10, 2), np.nan))
    with pytest.raises(InputError, match="every simulation of the train partitions failed"):
        store.flux_range("train")
