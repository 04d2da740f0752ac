import pytest
import torch

from hpcflow.posterior.algebra import EVEN, cholesky, columns, covariance, distance, product

torch.set_num_threads(1)


@pytest.fixture
def matrices() -> torch.Tensor:
    torch.manual_seed(1)
    root = torch.randn(50, 4, 4, dtype=torch.float64)
    return root @ root.mT + 0.1 * torch.eye(4)


def test_cholesky_factors_agree_with_lapack(matrices: torch.Tensor) -> None:
    root, inverse = cholesky(matrices)
    torch.testing.assert_close(root, torch.linalg.cholesky(matrices))
    torch.testing.assert_close(inverse @ root, torch.eye(4, dtype=torch.float64).expand(50, 4, 4))


def test_products_agree_with_blas(matrices: torch.Tensor) -> None:
    vector = torch.randn(50, 4, dtype=torch.float64)
    torch.testing.assert_close(product(matrices, vector), (matrices @ vector[..., None])[..., 0])


def test_covariances_agree_with_numpy() -> None:
    points = torch.randn(3, 1000, 2, dtype=torch.float64) @ torch.tensor([[1.0, 0.5], [0, 0.1]], dtype=torch.float64)
    found = covariance(points - points.mean(dim=1, keepdim=True))
    for one, of in zip(found, points, strict=True):
        torch.testing.assert_close(one, torch.cov(of.T, correction=0), rtol=1e-5, atol=0)


def test_points_in_a_plane_have_a_cholesky_factor() -> None:
    flat = torch.randn(2, 100, 3, dtype=torch.float64) * torch.tensor([1.0, 1e-3, 0.0])
    root, inverse = cholesky(covariance(flat - flat.mean(dim=1, keepdim=True)))
    assert torch.isfinite(root).all()
    assert torch.isfinite(inverse).all()


def test_columns_are_padded_to_multiples_of_eight() -> None:
    wide = columns(torch.ones(2, 5, 3), 2 * torch.ones(2, 5, 6))
    assert wide.shape == (2, 5, 2 * EVEN)
    assert wide[0, 0].tolist() == [1.0] * 3 + [2.0] * 6 + [0.0] * 7


def test_distances_are_euclidean() -> None:
    one, other = torch.randn(2, 30, 3), torch.randn(2, 40, 3)
    expected = ((one[:, :, None] - other[:, None]) ** 2).sum(dim=-1).sqrt()
    torch.testing.assert_close(distance(one, other), expected)


def test_results_do_not_depend_on_the_position_in_a_batch(matrices: torch.Tensor) -> None:
    order = torch.randperm(50, generator=torch.Generator().manual_seed(2))
    for there, then in zip(cholesky(matrices), cholesky(matrices[order]), strict=True):
        assert torch.equal(there[order], then)
    points, places = torch.randn(50, 200, 3), torch.randn(50, 3, 3)
    left, right = columns(places), columns(points).mT.contiguous()
    assert torch.equal((left @ right)[order], left[order] @ right[order])
    assert torch.equal(covariance(points)[order], covariance(points[order]))
