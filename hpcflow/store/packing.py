"""Numbers in few bits, by the scale and offset of the CF conventions (sect. 8.1): every reader unpacks them unasked."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LogPacking", "SamplePacking"]

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class SamplePacking:
    """Samples in 16 bits, one step for all parameters, so that one pair of CF attributes serves the whole array.

    Args:
        low, high: (D,) the prior's bounds; packed values are kept inside, so that rounding leaves none of them.

    >>> packing = SamplePacking(np.array([6.0, 0.0]), np.array([10.0, 1.5]))
    >>> packing.pack(np.array([[6.0, 1.5], [np.nan, 0.0]])).tolist()
    [[39321, 9830], [65535, 0]]
    """

    low: Floats
    high: Floats

    EMPTY = 65535  # of a sample that is not there

    @property
    def offset(self) -> float:
        """What packed 0 stands for."""
        return float(self.low.min())

    @property
    def step(self) -> float:
        """What lies between two packed values."""
        return float((self.high.max() - self.low.min()) / (self.EMPTY - 1))

    def attributes(self) -> dict[str, Any]:
        """Return the CF attributes of the packed array."""
        return {"scale_factor": self.step, "add_offset": self.offset, "_FillValue": self.EMPTY}

    def pack(self, values: Floats) -> NDArray[np.uint16]:
        """Return values (..., D) in declared units as packed ones; NaN is `EMPTY`."""
        lowest = np.ceil((self.low - self.offset) / self.step)
        highest = np.floor((self.high - self.offset) / self.step)
        with np.errstate(invalid="ignore"):
            packed = np.clip(np.rint((values - self.offset) / self.step), lowest, highest)
        return np.where(np.isfinite(packed), packed, self.EMPTY).astype(np.uint16)


class LogPacking:
    """Logarithms of densities and weights, rounded to 1/128 nat: a weight is kept to 0.4 %.

    They are 32-bit integers, of which compression leaves what carries information, some 10 bits. A range is needed
    for 16, and there is none: narrow posteriors reach far up, and the weight of a sample may be zero.

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
        """Return values in nat as packed ones; NaN is `EMPTY`."""
        with np.errstate(invalid="ignore"):
            packed = np.clip(np.rint(np.asarray(values, dtype=np.float64) / self.STEP), -self.MOST, self.MOST)
        return np.where(np.isnan(packed), self.EMPTY, packed).astype(np.int32)
