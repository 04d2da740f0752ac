from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from hpcflow.model.arrays import LARGER, between, blocks, moved, mover


def only_float32() -> Any:
    """Return a library over a device that has no float64, as some GPUs are."""
    return SimpleNamespace(
        __array_namespace_info__=lambda: SimpleNamespace(dtypes=lambda device, kind: {"float32": np.float32}),
        float32=np.float32,
        int64=np.int64,
        asarray=lambda array, dtype, device: np.asarray(array, dtype=dtype),
    )


def test_a_device_without_float64_gets_float32() -> None:
    move = mover(only_float32(), "gpu")
    assert move(np.ones(2)).dtype == np.float32
    assert move(np.arange(2)).dtype == np.int64


def test_what_is_moved_leaves_the_original_alone() -> None:
    inner = SimpleNamespace(table=np.ones(3))
    thing = SimpleNamespace(parts=[inner], end=2.0, name="x")
    other = moved(thing, lambda array: array + 1)
    assert other.parts[0].table.tolist() == [2.0, 2.0, 2.0]
    assert inner.table.tolist() == [1.0, 1.0, 1.0]
    assert (other.end, other.name) == (2.0, "x")


def test_a_share_leads_back_to_where_it_was() -> None:
    nodes = np.array([0.1, 0.5, 3.0, 20.0])
    x = np.concatenate([nodes, np.random.default_rng(1).uniform(0.1, 20, 100)])
    left, share = between(nodes, x)
    assert ((share >= 0) & (share <= 1)).all()
    np.testing.assert_allclose(nodes[left] + share * (nodes[left + 1] - nodes[left]), x, rtol=1e-14)


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 100])
def test_blocks_are_all_rows_once(rows: int) -> None:
    values = np.arange(rows)
    cut = [values[block] for block in blocks(values, 8)]
    np.testing.assert_array_equal(np.concatenate([values[:0], *cut]), values)
    assert all(0 < len(part) <= 8 for part in cut)


def test_blocks_are_larger_away_from_the_processor() -> None:
    away = list(blocks(torch.empty(1000, device="meta"), 8))
    assert away[:2] == [slice(0, 8 * LARGER), slice(8 * LARGER, 16 * LARGER)]
    assert next(blocks(torch.empty(1000), 8)) == slice(0, 8)
