"""Modes of many posteriors at once: mean shift on samples, sharpened along each mode's own shape.

Mean shift (Fukunaga & Hostetler 1975, IEEE Trans. Inform. Theory 21, 32) climbs the density that a kernel of
given width makes of the samples. Posteriors of age, reddening and mass are thin, bent ridges, across which one
kernel for all is too wide: it is used here to find the hills, and each hill is then climbed again under a
kernel shrunk to the samples' own covariance around it.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = ["Modes", "mean_shift", "one_cluster"]

HILLS = 1000  # of them, among which hills are looked for
STARTS = 24
ITERATIONS = 30
POINTS = 2000  # samples that make the density; more change modes by less than their width
MERGE = 1.0  # two ends closer than this many bandwidths are one mode
SADDLE = 0.8  # and so are two without a dip to this share of the lower one between them
CANDIDATES = 5  # hills that are looked at before those without a dip between them are joined
SHARPEN = 8
LEAST_WEIGHT = 64.0  # effective samples under the sharpened kernel: below, noise would be climbed


class Modes(NamedTuple):
    """Up to M modes of N posteriors, highest density first.

    location: (N, M, D); share: (N, M), of the samples nearest to each; density: (N, M), log of the sharpened
    kernel's. Where a posterior has fewer modes the rest are NaN.
    """

    location: Any  # tensors, or numpy arrays of one posterior, without the first axis
    share: Any
    density: Any


def one_cluster(modes: Modes) -> Modes:
    """Return the modes of the first posterior as numpy arrays (M, D) and (M,)."""
    return Modes(*(part[0].double().numpy() for part in modes))


def mean_shift(samples: Tensor, modes: int = 3, bandwidth: float | None = None) -> Modes:
    """Find the highest modes of N sets of samples.

    The samples are whitened by their covariance; the bandwidth there is Scott's n^(-1/(D+4)) unless given.

    Args:
        samples: (N, n, D) posterior samples.
        modes: how many to keep at the most.
        bandwidth: kernel width in standard deviations of the whole posterior.
    """
    points = samples[:, :POINTS].double()
    n, dim = points.shape[1:]
    width = bandwidth or n ** (-1 / (dim + 4))
    centre = points.mean(dim=1, keepdim=True)
    root = torch.linalg.cholesky_ex(_covariance(points - centre, torch.ones_like(points[..., 0]))).L
    white = torch.linalg.solve_triangular(root, (points - centre).mT, upper=False).mT.float()

    hills, found = _merge(_climb(white[:, :HILLS], white[:, :STARTS], width), width * MERGE, max(modes, CANDIDATES))
    found = _divided(white, hills, found, width)
    first = (~found).int().argsort(dim=1, stable=True)[:, :modes]  # of those that are, the ones most starts reached
    hills, found = hills.gather(1, first[..., None].expand(-1, -1, dim)), found.gather(1, first)
    location, density = _sharpen(white, hills, width)
    nearest = torch.cdist(white, torch.where(found[..., None], location, 1e6)).argmin(dim=-1)
    share = torch.nn.functional.one_hot(nearest, modes).double().mean(dim=1)

    order = torch.where(found, density, -torch.inf).argsort(dim=1, descending=True, stable=True)
    low, high = points.amin(dim=1, keepdim=True), points.amax(dim=1, keepdim=True)
    location = (location.double() @ root.mT + centre).clamp(low, high)  # rounding must not leave the prior
    found = found.gather(1, order)
    return Modes(
        torch.where(found[..., None], location.gather(1, order[..., None].expand(-1, -1, dim)), torch.nan),
        torch.where(found, share.gather(1, order), torch.nan),
        torch.where(found, density.gather(1, order), torch.nan),
    )


def _climb(points: Tensor, starts: Tensor, width: float) -> Tensor:
    """Return where each start (N, S, D) ends when moved to the kernel-weighted mean, again and again."""
    for _ in range(ITERATIONS):
        moved = torch.softmax(_log_kernel(starts, points, width), dim=-1) @ points
        if (moved - starts).abs().amax() < 1e-3 * width:
            return moved
        starts = moved
    return starts


def _log_kernel(at: Tensor, points: Tensor, width: float) -> Tensor:
    """Return log kernels (N, S, n) of points (N, n, D) around places (N, S, D), up to a constant per place."""
    square = (points**2).sum(dim=-1)[:, None]
    return torch.baddbmm(square, at, points.mT, beta=-0.5 / width**2, alpha=1 / width**2)


def _log_density(at: Tensor, points: Tensor, width: float) -> Tensor:
    """Return the log kernel density (N, S) at places (N, S, D), up to one constant."""
    return torch.logsumexp(_log_kernel(at, points, width), dim=-1) - (at**2).sum(dim=-1) / (2 * width**2)


def _divided(points: Tensor, hills: Tensor, found: Tensor, width: float) -> Tensor:
    """Return which hills (N, M) are divided by a dip from every one that more starts reached before them."""
    found = found.clone()
    lower, upper = torch.tril_indices(hills.shape[1], hills.shape[1], offset=-1)
    steps = torch.linspace(0, 1, 9, dtype=points.dtype, device=points.device)[:, None]
    ways = torch.lerp(hills[:, lower, None], hills[:, upper, None], steps)  # (N, pairs, 9, D)
    height = _log_density(ways.flatten(1, 2), points, width).unflatten(1, ways.shape[1:3])
    dips = height.amin(dim=-1) < torch.minimum(height[..., 0], height[..., -1]) + math.log(SADDLE)
    for pair, (low, high) in enumerate(zip(lower.tolist(), upper.tolist(), strict=True)):
        found[:, low] &= dips[:, pair] | ~found[:, high]
    return found


def _merge(ends: Tensor, distance: float, modes: int) -> tuple[Tensor, Tensor]:
    """Return the `modes` ends (N, M, D) that most starts reached, and which of them exist (N, M)."""
    close = torch.cdist(ends, ends) < distance
    left = torch.ones(ends.shape[:2], dtype=torch.bool, device=ends.device)
    location, found = [], []
    for _ in range(modes):
        votes = torch.where(left, (close & left[:, None]).sum(dim=-1), 0)
        best = votes.argmax(dim=1)
        members = close[torch.arange(len(ends)), best] & left
        location.append(ends[torch.arange(len(ends)), best])
        found.append(members.any(dim=1))
        left = left & ~members
    return torch.stack(location, dim=1), torch.stack(found, dim=1)


def _sharpen(points: Tensor, location: Tensor, width: float) -> tuple[Tensor, Tensor]:
    """Climb on under a kernel that shrinks to the local covariance; return locations and log densities (N, M).

    A kernel of covariance K on a hill of covariance C weights samples with covariance (1/C + 1/K)^-1. Taking
    that as the next kernel narrows it step by step, along the hill's own axes, to C, C/2, C/3 ...
    """
    clusters, modes, dim = location.shape
    kernel = torch.eye(dim, dtype=points.dtype, device=points.device).expand(clusters, modes, dim, dim) * width**2
    alive = torch.ones(clusters, modes, dtype=torch.bool, device=points.device)
    density = torch.full((clusters, modes), -torch.inf, dtype=points.dtype, device=points.device)
    for _ in range(SHARPEN):
        offset = points[:, None] - location[:, :, None]
        log_weight = -0.5 * ((offset @ torch.linalg.inv_ex(kernel).inverse) * offset).sum(dim=-1)
        weight = torch.softmax(log_weight, dim=-1)
        alive = alive & (1 / (weight**2).sum(dim=-1) > LEAST_WEIGHT)
        here = torch.logsumexp(log_weight, dim=-1) - 0.5 * torch.logdet(kernel)
        moved = (weight[..., None, :] @ points[:, None])[..., 0, :]
        spread = _covariance(points[:, None] - moved[:, :, None], weight)
        density = torch.where(alive | density.isinf(), here, density)
        location = torch.where(alive[..., None], moved, location)
        kernel = torch.where(alive[..., None, None], spread, kernel)
    return location, density


def _covariance(offset: Tensor, weight: Tensor) -> Tensor:
    """Weighted covariance (..., D, D) of offsets (..., n, D), kept away from singular."""
    total = weight.sum(dim=-1)[..., None, None]
    covariance = (offset * weight[..., None]).mT @ offset / total
    return covariance + torch.diag_embed(1e-6 * covariance.diagonal(dim1=-2, dim2=-1) + 1e-30)
