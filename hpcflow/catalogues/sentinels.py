"""Sentinels: the numbers that catalogues write where they have no value."""

import numpy as np
from numpy.typing import NDArray

from hpcflow.store.flags import Reason

__all__ = ["marks", "without_sentinels"]

Floats = NDArray[np.float64]

UNKNOWN = (-99.0, -999.0, -9999.0)  # as PHANGS-HST, LePhare and EAZY write it, in any unit
NO_COVERAGE, NOT_DETECTED = 66.666, 99.999  # LEGUS, in magnitudes; others write 99 for the latter


def without_sentinels(values: Floats) -> Floats:
    """Return values (...) with NaN in place of sentinels.

    >>> without_sentinels(np.array([7.1, -99.0, 99.999, -1.0])).tolist()
    [7.1, nan, nan, -1.0]
    """
    return np.where(
        np.any([_is(values, mark) for mark in (*UNKNOWN, NO_COVERAGE, NOT_DETECTED)], axis=0), np.nan, values
    )


def marks(value: Floats, error: Floats, magnitudes: bool) -> NDArray[np.uint8]:
    """Return what the sentinels in a band say: a `Reason` each, OK where there is none.

    A positive sentinel may also be a flux, and then counts only if the error is the same.

    Args:
        value: (...) magnitudes or fluxes as catalogued.
        error: (...) their errors.
        magnitudes: whether they are magnitudes.

    >>> marks(np.array([22.1, -99.0, 99.0, 22.1]), np.array([0.1, 0.1, 0.1, 66.666]), magnitudes=True).tolist()
    [0, 1, 2, 1]
    >>> marks(np.array([66.666, 99.999, -999.0]), np.array([0.1, 99.999, 0.1]), magnitudes=False).tolist()
    [0, 2, 1]
    """
    uncovered, undetected = (
        (_is(value, mark) | _is(error, mark)) if magnitudes else (_is(value, mark) & _is(error, mark))
        for mark in (NO_COVERAGE, NOT_DETECTED)
    )
    uncovered |= np.any([_is(value, mark) for mark in UNKNOWN], axis=0)
    if magnitudes:
        uncovered |= (value > -100) & (value <= -99)
        undetected |= (value >= 99) & (value < 100)
    reasons = [Reason.NO_COVERAGE, Reason.NOT_DETECTED]
    return np.select([uncovered, undetected], reasons, Reason.OK).astype(np.uint8)


def _is(values: Floats, mark: float) -> NDArray[np.bool_]:
    return np.isclose(values, mark, rtol=0, atol=1e-3)
