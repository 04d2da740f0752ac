"""Faster float32 matrix products, used only where they keep the accuracy of float32."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["as_worker", "fast_matmul", "one_thread"]

TOLERANCE = 5e-6


def fast_matmul() -> str:
    """Choose the fastest float32 matrix product that keeps float32's accuracy, and return its name.

    "medium" lets torch use oneDNN, which is 1.5-2 times as fast on some processors; on others it means bfloat16, with
    errors of 1e-2. So it is compared with float64, and dropped if it is too inaccurate.
    """
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn((512, 128), generator=generator), torch.randn((128, 128), generator=generator)
    exact = left.double() @ right.double()
    for name in ("medium", "highest"):
        torch.set_float32_matmul_precision(name)
        error = ((left @ right).double() - exact).abs().max() / exact.abs().max()
        if error < TOLERANCE:
            break
    return name


def one_thread() -> None:
    """Prepare a worker process that shares its machine with others: one thread and fast products."""
    torch.set_num_threads(1)
    fast_matmul()


@contextmanager
def as_worker() -> Iterator[None]:
    """Compute as worker processes do, to the last bit, inside this context."""
    threads, product = torch.get_num_threads(), torch.get_float32_matmul_precision()
    one_thread()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(product)
