"""Checksums differ if and only if the arrays differ."""

import numpy as np

from hpcflow.store.damage import checksum


def test_one_bit_is_noticed() -> None:
    values = np.arange(100, dtype=np.uint16)
    changed = values.copy()
    changed[70] ^= 1
    assert checksum(values) != checksum(changed)
    assert checksum(values) == checksum(values.copy())


def test_text_is_compared_whatever_its_width() -> None:
    names = ["a", "bc"]
    assert checksum(np.array(names)) == checksum(np.array(names, dtype="U9"))
    assert checksum(np.array(names)) == checksum(np.array(names, dtype=np.dtypes.StringDType()))
    assert checksum(np.array(names)) != checksum(np.array(["ab", "c"]))
