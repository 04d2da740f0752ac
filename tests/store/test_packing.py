"""Packed numbers are recovered to half a step, and NaN stays NaN."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hpcflow.store.packing import LogPacking, SamplePacking

PACKING = SamplePacking(np.array([6.0, 2.0, 0.0]), np.array([10.1383, 8.0, 1.5]))


@given(st.lists(st.tuples(*(st.floats(low, high) for low, high in zip(PACKING.low, PACKING.high, strict=True)))))
def test_samples_stay_close_and_inside(rows: list[tuple[float, float, float]]) -> None:
    theta = np.array(rows).reshape(-1, 3)
    back = PACKING.pack(theta) * PACKING.step + PACKING.offset
    assert (np.abs(back - theta) <= PACKING.step).all()
    assert ((back >= PACKING.low - 1e-9) & (back <= PACKING.high + 1e-9)).all()


def test_nan_stays_nan() -> None:
    assert PACKING.pack(np.full(3, np.nan)).tolist() == [PACKING.EMPTY] * 3


@given(st.lists(st.floats(-1e6, 1e6)))
def test_logarithms_are_kept_to_half_a_step(values: list[float]) -> None:
    given_ = np.array(values, dtype=float)
    assert (np.abs(LogPacking().pack(given_) * LogPacking.STEP - given_) <= LogPacking.STEP / 2).all()


def test_a_weight_of_zero_stays_zero() -> None:
    packed = LogPacking().pack(np.array([-np.inf, np.nan, np.inf]))
    assert np.exp(packed[0] * LogPacking.STEP) == 0
    assert packed[1] == LogPacking.EMPTY
    assert packed[2] == LogPacking.MOST
