from threading import Barrier

import numpy as np
import pytest

from hpcflow.model.threads import PIECE, in_threads


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("rows", [0, 1, PIECE, PIECE + 1, 3 * PIECE + 7])
def test_the_result_is_that_of_all_rows_at_once(threads: int, rows: int) -> None:
    values = np.random.default_rng(1).random((rows, 2))
    np.testing.assert_array_equal(in_threads(lambda part: part[:, :1] * 3, values, threads), values[:, :1] * 3)


def test_pieces_are_computed_at_the_same_time() -> None:
    meeting = Barrier(2)

    def wait_for_the_other(part: np.ndarray) -> np.ndarray:
        meeting.wait(timeout=10)
        return part

    values = np.arange(2.0 * PIECE)
    np.testing.assert_array_equal(in_threads(wait_for_the_other, values, 2), values)


def test_what_a_piece_raises_is_raised() -> None:
    def refuse_the_end(part: np.ndarray) -> np.ndarray:
        if part[-1] == 2 * PIECE - 1:
            raise ArithmeticError("the end")
        return part

    with pytest.raises(ArithmeticError, match="the end"):
        in_threads(refuse_the_end, np.arange(2.0 * PIECE), 2)
