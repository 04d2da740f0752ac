"""Every file belongs to one partition and consists of whole chunks."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hpcflow.store.layout import Variable, partition_rows


@given(st.integers(1, 5000), st.integers(1, 600), st.integers(1, 200), st.booleans())
def test_files_are_partitions_of_whole_chunks(total: int, partition: int, rows: int, split: bool) -> None:
    chunks, shards = Variable(("row", "column"), (total, 3), "float32", rows=rows, split=split).layout(partition)
    file = shards or chunks
    assert file == (min(partition, total), 3)
    assert all(whole % part == 0 for whole, part in zip(file, chunks, strict=True))


@given(st.integers(1, 10**7), st.sampled_from(["str", "float64"]))
def test_arrays_with_given_values_have_few_files(total: int, dtype: str) -> None:
    chunks, shards = Variable(("row",), (total,), dtype, values=np.empty(0)).layout(64)
    file = (shards or chunks)[0]
    assert file % chunks[0] == 0
    assert -(-total // file) <= 1 + total // 16_384


@given(st.integers(1, 10**8))
def test_partitions_are_whole_chunks(rows: int) -> None:
    size = partition_rows(rows, 64)
    assert size % 64 == 0
    assert size == 1024 or rows <= 64 * size
