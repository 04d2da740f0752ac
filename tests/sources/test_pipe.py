"""Messages over a pipe: what is sent is received, and what is not ours is refused."""

import os
from collections.abc import Iterator

import numpy as np
import pytest

from hpcflow.sources.pipe import Pipe


@pytest.fixture
def ends() -> Iterator[tuple[Pipe, int, int]]:
    reads, writes = os.pipe()
    yield Pipe(reads, writes), reads, writes
    for end in (reads, writes):
        try:
            os.close(end)
        except OSError:
            continue


@pytest.mark.parametrize("shape", [(0, 2), (3,), (4, 2)])
def test_arrays_come_as_they_were(ends: tuple[Pipe, int, int], shape: tuple[int, ...]) -> None:
    pipe = ends[0]
    array = np.random.default_rng(0).standard_normal(shape)
    if array.size:
        array.flat[0] = np.nan
    pipe.send({"why": "ä\n"}, array)
    pipe.send({"next": 1})
    header, found = pipe.receive()
    assert header == {"why": "ä\n"}
    assert found is not None
    assert found.shape == shape
    np.testing.assert_array_equal(found, array)
    assert pipe.receive() == ({"next": 1}, None)


@pytest.mark.parametrize("bad", [b"hello, world\n", b'{"shape": [9]}\n123', b""])
def test_what_is_cut_off_or_not_ours_is_an_end(ends: tuple[Pipe, int, int], bad: bytes) -> None:
    pipe, _, writes = ends
    os.write(writes, bad)
    os.close(writes)
    with pytest.raises(EOFError):
        pipe.receive()


def test_patience_ends(ends: tuple[Pipe, int, int]) -> None:
    with pytest.raises(TimeoutError):
        ends[0].receive(0.01)


def test_writing_to_nobody_is_an_end(ends: tuple[Pipe, int, int]) -> None:
    pipe, reads, _ = ends
    os.close(reads)
    with pytest.raises(EOFError):
        pipe.send({})
