import threading
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clusters import cluster_observer
from hpcflow.base.errors import InputError
from hpcflow.flow.batches import Batch, generator_for
from hpcflow.flow.observation import Observation
from hpcflow.flow.stream import Plan, Rows, Stream
from hpcflow.model.prior import Parameter, Prior

torch.set_num_threads(1)

PRIOR = Prior((Parameter("ebv", 0, 1.5), Parameter("log_mass", 2, 8), Parameter("log_age", 6, 10.1383)))
BLOCKS, ROWS = 7, 50
PLAN = Plan(BLOCKS, resident=3, every=4, seed=1)


class Blocks:
    """Blocks with identifiable rows; every fifth row failed, and block 2 is short."""

    def __init__(self) -> None:
        self.read: list[int] = []
        self.by: set[str] = set()

    def __call__(self, block: int) -> Rows:
        self.read.append(block)
        self.by.add(threading.current_thread().name)
        number = np.arange(block * ROWS, block * ROWS + (10 if block == 2 else ROWS), dtype=np.float32)
        number = number[number % 5 != 0]
        theta = np.stack([6 + number / 1000, number / 500], axis=1)
        return theta, 1000 * (1 + number[:, None]) * np.float32([1.0, 2.0, 3.0])


def stream(read: Blocks | None = None, frozen: int | None = None, plan: Plan = PLAN) -> Stream:
    observation = Observation(["log_age", "ebv"], PRIOR, cluster_observer(relative_error=(0.0, 0.3)), frozen)
    return Stream(read or Blocks(), ROWS, plan, observation)


def which(batch: Batch) -> list[int]:
    return torch.round((batch.theta[:, 2] - 6) * 1000).long().tolist()


def same(one: Batch, two: Batch) -> bool:
    return torch.equal(one.theta, two.theta) and all(
        torch.equal(a, b) for a, b in zip(one.photometry, two.photometry, strict=True)
    )


@given(st.integers(1, 30), st.integers(1, 10), st.integers(1, 5), st.integers(0, 3))
def test_a_pass_has_every_block_once(blocks: int, resident: int, every: int, through: int) -> None:
    plan = Plan(blocks, resident, every, seed=2)
    places = range(through * blocks, (through + 1) * blocks)
    assert sorted(plan.block(place) for place in places) == list(range(blocks))
    entered = [plan.window(1 + place * every) for place in places]
    assert [window[0] for window in entered] == list(places)
    assert all(len(window) == resident for window in entered)
    assert plan.window(every) == range(resident), "nothing is exchanged before its time"


def test_examples_come_from_the_plans_blocks_and_from_all_of_their_rows() -> None:
    made = stream()
    for step in (1, 4, 5, 9, 30, 31, 60):
        made.seek(step)
        rows = which(made.draw(4000, generator_for(1, step)))
        blocks = {PLAN.block(place) for place in PLAN.window(step)}
        there = {row for block in blocks for row in range(block * ROWS, (block + 1) * ROWS)}
        expected = {row for row in there - set(range(110, 150)) if row % 5}
        assert set(rows) == expected
        shares = Counter(rows)
        assert max(shares.values()) < 4000 / len(expected) * 2, "rows of short blocks are drawn no more often"


def test_every_block_is_used_in_two_passes() -> None:
    reader = Blocks()
    made = stream(reader)
    for step in range(1, 2 * BLOCKS * PLAN.every + 1):
        made.seek(step)
    made.close()  # while the next block is still being read
    read = Counter(reader.read)
    assert set(read) == set(range(BLOCKS))
    # two passes, the pool and the block read ahead
    assert sum(read.values()) == 2 * BLOCKS + PLAN.resident
    assert max(read.values()) - min(read.values()) <= 2


@pytest.mark.parametrize("frozen", [None, 5])
def test_a_start_at_a_step_gives_the_same_examples_as_reaching_it(frozen: int | None) -> None:
    came = stream(frozen=frozen)
    for step in range(1, 40):
        came.seek(step)
        if step in (1, 13, 14, 39):
            started = stream(frozen=frozen)
            started.seek(step)
            assert same(*(each.draw(64, generator_for(1, step)) for each in (came, started)))
    came.seek(2)  # as after a rollback
    started = stream(frozen=frozen)
    started.seek(2)
    assert same(*(each.draw(64, generator_for(1)) for each in (came, started)))


def test_frozen_observations_of_a_simulation_are_equal() -> None:
    made = stream(frozen=7)
    seen: dict[int, set[float]] = {}
    for step in range(1, 80):
        made.seek(step)
        batch = made.draw(50, generator_for(1, step))
        for row, flux in zip(which(batch), batch.photometry.flux[:, 0].tolist(), strict=True):
            seen.setdefault(row, set()).add(flux)
    assert len(seen) > 200
    assert max(map(len, seen.values())) == 1


def test_the_pool_is_bounded_and_the_next_block_is_read_ahead() -> None:
    reader = Blocks()
    made = stream(reader)
    sizes = set()
    for step in range(1, 100):
        made.seek(step)
        sizes.add(tuple(column.shape for column in made.pool))
        assert len(made) <= PLAN.resident * ROWS
    assert sizes == {((3 * ROWS, 2), (3 * ROWS, 3))}
    first, *rest = sorted(reader.by)
    assert [first.split("-")[0], len(rest)] == ["MainThread", 1], "but for the first pool a thread reads"
    assert made.waited > 0


def test_blocks_without_a_usable_row() -> None:
    def nothing(block: int) -> Rows:
        return np.empty((0, 2), np.float32), np.empty((0, 3), np.float32)

    observation = Observation(["log_age", "ebv"], PRIOR, cluster_observer())
    with pytest.raises(InputError, match="usable"):
        Stream(nothing, ROWS, PLAN, observation).seek(1)


def test_an_error_of_the_reader_is_raised() -> None:
    def broken(block: int) -> Rows:
        if block == PLAN.block(3):
            raise OSError("gone")
        return Blocks()(block)

    observation = Observation(["log_age", "ebv"], PRIOR, cluster_observer())
    made = Stream(broken, ROWS, PLAN, observation)
    made.seek(1)
    with pytest.raises(OSError, match="gone"):
        made.seek(1 + PLAN.every)
