import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hpcflow.flow.randomness import SLICES, slice_sizes, slices_of


@given(st.integers(1, 5000), st.integers(1, 40))
def test_slices_add_up_to_a_batch(batch: int, ranks: int) -> None:
    sizes = slice_sizes(batch, ranks)
    assert sum(sizes) == batch
    assert len(sizes) == max(SLICES, ranks)
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("ranks", [1, 2, 3, 5, 8])
def test_all_ranks_together_make_the_same_batch(ranks: int) -> None:
    def numbers(rank: int, ranks: int) -> list[float]:
        slices = slices_of(100, 3, "step", 0, 17, rank=rank, ranks=ranks)
        return [value for n, generator in slices for value in torch.rand(n, generator=generator).tolist()]

    alone = numbers(0, 1)
    assert len(set(alone)) > 95
    assert sorted(value for rank in range(ranks) for value in numbers(rank, ranks)) == sorted(alone)


def test_every_rank_has_examples_if_there_are_enough() -> None:
    assert all(slices_of(12, 1, rank=rank, ranks=12) for rank in range(12))
    assert [sum(n for n, _ in slices_of(3, 1, rank=rank, ranks=2)) for rank in range(2)] == [2, 1]
