"""Partitions and keyed random numbers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hpcflow.base.partitions import partitions, rng_for, split


@given(st.integers(1, 500), st.integers(1, 60))
def test_partitions_cover_every_row_once(n: int, size: int) -> None:
    parts = partitions(n, size)
    assert [row for p in parts for row in range(p.start, p.stop)] == list(range(n))
    assert [p.index for p in parts] == list(range(len(parts)))
    assert max(map(len, parts)) <= size


@given(st.integers(3, 300), st.integers(0, 1000))
def test_split_shares_out_every_partition_once(count: int, seed: int) -> None:
    train, validation, test = split(count, seed)
    assert sorted(train + validation + test) == list(range(count))
    assert min(map(len, (train, validation, test))) >= 1


def test_streams_are_keyed_by_everything() -> None:
    keys = [(1, "a", 0), (1, "a", 1), (1, "b", 0), (2, "a", 0), (1, "a0"), (1, "a", "0", "")]
    first = [rng_for(*key).random() for key in keys]
    assert len(set(first)) == len(keys)
    assert first == [rng_for(*key).random() for key in keys]


def test_streams_of_neighbours_are_independent() -> None:
    drawn = np.array([rng_for(0, "x", i).standard_normal(200) for i in range(200)])
    correlation = np.corrcoef(drawn)[np.triu_indices(200, 1)]
    # 19 900 correlations of 200 draws: standard deviation 0.0709, the largest of so many about 4.2 of them
    assert abs(correlation.std() - 1 / np.sqrt(199)) < 0.002
    assert np.abs(correlation).max() < 6 / np.sqrt(199)
