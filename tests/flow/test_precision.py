from collections.abc import Iterator

import pytest
import torch

from hpcflow.flow.precision import fast_matmul, one_thread


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    precision, threads = torch.get_float32_matmul_precision(), torch.get_num_threads()
    yield
    torch.set_float32_matmul_precision(precision)
    torch.set_num_threads(threads)


@pytest.mark.parametrize("shape", [(64, 32, 16), (1000, 256, 64), (333, 77, 129)])
def test_fast_products_keep_float32_accuracy(shape: tuple[int, int, int]) -> None:
    name = fast_matmul()
    assert name == torch.get_float32_matmul_precision()
    n, k, m = shape
    generator = torch.Generator().manual_seed(n)
    left, right = torch.randn((n, k), generator=generator), torch.randn((k, m), generator=generator)
    exact = left.double() @ right.double()
    assert ((left @ right).double() - exact).abs().max() < 2e-5 * exact.abs().max()


def test_inaccurate_products_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def coarse(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        if left.dtype == torch.float32 and torch.get_float32_matmul_precision() == "medium":
            return torch.mm(left.bfloat16(), right.bfloat16()).float()
        return torch.mm(left, right)

    monkeypatch.setattr(torch.Tensor, "__matmul__", coarse)
    assert fast_matmul() == "highest"
    assert torch.get_float32_matmul_precision() == "highest"


def test_a_worker_has_one_thread() -> None:
    one_thread()
    assert torch.get_num_threads() == 1
