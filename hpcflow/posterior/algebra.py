"""Linear algebra on batches of small matrices, with results that do not depend on the position in the batch.

BLAS and LAPACK round differently depending on how a matrix is aligned in memory, so in a batch of 3 x 3 matrices one
cluster's numbers would depend on its position among the others. Small matrices are therefore computed entry by entry,
and large ones are given the same alignment by padding their columns and points to multiples of eight.
"""

import torch
from torch import Tensor

__all__ = ["EVEN", "cholesky", "columns", "covariance", "distance", "product", "regular"]

EVEN = 8  # columns and points come in multiples of this: eight float64 fill a register


def columns(*parts: Tensor) -> Tensor:
    """Return parts (..., C) side by side, padded with zero columns to a multiple of EVEN."""
    wide = torch.cat(parts, dim=-1)
    return torch.nn.functional.pad(wide, (0, -wide.shape[-1] % EVEN))


def product(matrix: Tensor, vector: Tensor) -> Tensor:
    """Return the products (..., I) of matrices (..., I, D) and vectors (..., D)."""
    return torch.stack([matrix[..., d] * vector[..., d, None] for d in range(vector.shape[-1])]).sum(dim=0)


def distance(one: Tensor, other: Tensor) -> Tensor:
    """Return Euclidean distances (N, n, m) between points (N, n, D) and (N, m, D)."""
    return torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist")


def cholesky(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return the Cholesky factor L (..., D, D) of positive definite matrices L L^T, and its inverse."""
    root, inverse = torch.zeros_like(matrix), torch.zeros_like(matrix)
    for i in range(matrix.shape[-1]):
        for j in range(i):
            rest = matrix[..., i, j] - (root[..., i, :j] * root[..., j, :j]).sum(dim=-1)
            root[..., i, j] = rest / root[..., j, j]
        root[..., i, i] = (matrix[..., i, i] - (root[..., i, :i] ** 2).sum(dim=-1)).sqrt()
        inverse[..., i, i] = 1 / root[..., i, i]
        for j in range(i):
            known = (root[..., i, j:i] * inverse[..., j:i, j]).sum(dim=-1)
            inverse[..., i, j] = -known / root[..., i, i]
    return root, inverse


def covariance(offset: Tensor) -> Tensor:
    """Return the covariance (N, D, D) of offsets (N, n, D) from their mean, regularised."""
    rows = offset.mT.contiguous()
    return regular(torch.stack([(rows * one).mean(dim=-1) for one in rows.split(1, dim=1)], dim=-1))


def regular(matrix: Tensor) -> Tensor:
    """Return covariances (..., D, D) with a small term on the diagonal that keeps them from being singular."""
    return matrix + torch.diag_embed(1e-6 * matrix.diagonal(dim1=-2, dim2=-1) + 1e-30)
