"""Small matrices by the batch, to the last bit the same wherever in the batch they are.

BLAS and LAPACK round by where in memory a matrix begins, relative to the processor's registers: in a batch of 3 x 3
matrices one cluster's numbers would depend on its place among others. Here what is small goes entry by entry, and what
is large begins alike for all: as columns in eights, of points in eights.
"""

import torch
from torch import Tensor

__all__ = ["EVEN", "cholesky", "columns", "covariance", "distance", "product", "regular"]

EVEN = 8  # numbers, in which columns and points come: of float64 they fill a register


def columns(*parts: Tensor) -> Tensor:
    """Return parts (..., C) side by side, and zeros up to a whole number of EVEN columns."""
    wide = torch.cat(parts, dim=-1)
    return torch.nn.functional.pad(wide, (0, -wide.shape[-1] % EVEN))


def product(matrix: Tensor, vector: Tensor) -> Tensor:
    """Return matrices (..., I, D) times vectors (..., D)."""
    return torch.stack([matrix[..., d] * vector[..., d, None] for d in range(vector.shape[-1])]).sum(dim=0)


def distance(one: Tensor, other: Tensor) -> Tensor:
    """Return Euclidean distances (N, n, m) between points (N, n, D) and (N, m, D)."""
    return torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist")


def cholesky(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return the lower root L (..., D, D) of positive definite matrices, L L^T, and its inverse."""
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
    """Return the covariance (N, D, D) of offsets (N, n, D) from their mean, kept away from singular."""
    rows = offset.mT.contiguous()
    return regular(torch.stack([(rows * one).mean(dim=-1) for one in rows.split(1, dim=1)], dim=-1))


def regular(matrix: Tensor) -> Tensor:
    """Return covariances (..., D, D) kept away from singular."""
    return matrix + torch.diag_embed(1e-6 * matrix.diagonal(dim1=-2, dim2=-1) + 1e-30)
