"""Packing of numbers into few bits by scale and offset (CF conventions, sect. 8.1), which readers undo unasked."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LogPacking", "SamplePacking"]

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class SamplePacking:
    """Packing of samples into 16 bits, with one step for all parameters because CF attributes hold for a whole array.

    Args:
        low, high: (D,) bounds of the prior; packed values stay within them even after rounding.

    >>> packing = SamplePacking(np.array([6.0, 0.0]), np.array([10.0, 1.5]))
    >>> packing.pack(np.array([[6.0, 1.5], [np.nan, 0.0]])).tolist()
    [[39321, 9830], [65535, 0]]
    """

    low: Floats
    high: Floats

    EMPTY = 65535  # an absent sample

    @property
    def offset(self) -> float:
        """The value of a packed 0."""
        return float(self.low.min())

    @property
    def step(self) -> float:
        """The difference between consecutive packed values."""
        return float((self.high.max() - self.low.min()) / (self.EMPTY - 1))

    def attributes(self) -> dict[str, Any]:
        """Return the CF attributes of the packed array."""
        return {"scale_factor": self.step, "add_offset": self.offset, "_FillValue": self.EMPTY}

    def pack(self, values: Floats) -> NDArray[np.uint16]:
        """Pack values (..., D) in declared units; NaN becomes `EMPTY`."""
        lowest = np.ceil((self.low - self.offset) / self.step)
        highest = np.floor((self.high - self.offset) / self.step)
        with np.errstate(invalid="ignore"):
            packed = np.clip(np.rint((values - self.offset) / self.step), lowest, highest)
        return np.where(np.isfinite(packed), packed, self.EMPTY).astype(np.uint16)


class LogPacking:
    """Packing of log-densities and log-weights to 1/128 nat, which keeps weights to 0.4 %.

    They are stored as 32-bit integers, which compress to some 10 bits. 16-bit integers would need a bounded range, but
    densities of narrow posteriors are very high and weights may be zero.

    >>> LogPacking().pack(np.array([0.0, -1.5, -np.inf, np.nan])).tolist()
    [0, -192, -1073741824, -2147483648]
    """

    STEP = 2.0**-7
    MOST = 2**30
    EMPTY = -(2**31)

    def attributes(self) -> dict[str, Any]:
        """Return the CF attributes of the packed array."""
        return {
            "scale_factor": self.STEP,
            "_FillValue": self.EMPTY,
            "comment": f"rounded to {self.STEP:g}; {-self.MOST * self.STEP:.0f} stands for minus infinity",
        }

    def pack(self, values: Floats) -> NDArray[np.int32]:
        """Pack values in nat; NaN becomes `EMPTY`."""
        with np.errstate(invalid="ignore"):
            packed = np.clip(np.rint(np.asarray(values, dtype=np.float64) / self.STEP), -self.MOST, self.MOST)
        return np.where(np.isnan(packed), self.EMPTY, packed).astype(np.int32)
