"""Modes of many posteriors at once: mean shift on samples, sharpened with a kernel of each mode's own shape.

Mean shift (Fukunaga & Hostetler 1975, IEEE Trans. Inform. Theory 21, 32) climbs the kernel density estimate of the
samples. Posteriors of age, reddening and mass are thin, curved ridges, and a single kernel is too wide across them. It
serves here to find the peaks; each peak is then climbed again with a kernel shrunk to the local covariance of the
samples. The modes of a posterior do not depend, to the last bit, on the others in the batch.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from hpcflow.posterior.algebra import EVEN, cholesky, columns, covariance, distance, product, regular

__all__ = ["POINTS", "SEARCHED", "Modes", "mean_shift", "of_cluster"]

SEARCHED = 1000  # samples among which peaks are sought
STARTS = 24
ITERATIONS = 30
POINTS = 2000  # samples in the density estimate; more would shift modes by less than their width
MERGE = 1.0  # end points closer than this many bandwidths are one mode
SADDLE = 0.8  # two peaks are one mode unless the density between them dips below this fraction of the lower one
CANDIDATES = 5  # peaks considered before those without a dip between them are merged
SHARPEN = 8
LEAST = {
    torch.float32: -80.0,
    torch.float64: -700.0,
}  # below these exp() has no normal numbers and takes ten times as long
LEAST_WEIGHT = 64.0  # effective samples under the sharpened kernel; with fewer it would climb noise


class Modes(NamedTuple):
    """Up to M modes of N posteriors, highest density first.

    location: (N, M, D); share: (N, M), fraction of samples nearest to each; density: (N, M), log of the density under
    the sharpened kernel. If a posterior has fewer modes, the rest are NaN.
    """

    location: Any  # tensors, or numpy arrays without the first axis for one posterior
    share: Any
    density: Any


def of_cluster(modes: Modes, k: int = 0) -> Modes:
    """Return the modes of posterior `k` as numpy arrays (M, D) and (M,)."""
    return Modes(*(part[k].double().numpy() for part in modes))


def mean_shift(samples: Tensor, modes: int = 3, bandwidth: float | None = None) -> Modes:
    """Return the highest modes of N sets of samples.

    The samples are whitened by their covariance; the default bandwidth is then Scott's n^(-1/(D+4)).

    Args:
        samples: (N, n, D) posterior samples.
        modes: largest number of modes to keep.
        bandwidth: kernel width in standard deviations of the whole posterior.
    """
    count = min(samples.shape[1], POINTS)
    points = samples[:, : count // EVEN * EVEN or count].double()
    n, dim = points.shape[1:]
    width = bandwidth or n ** (-1 / (dim + 4))
    centre = points.mean(dim=1, keepdim=True)
    root, inverse = cholesky(covariance(points - centre))
    white = product(inverse[:, None], points - centre).float()

    peaks, found = _merge(_climb(white[:, :SEARCHED], white[:, :STARTS], width), width * MERGE, max(modes, CANDIDATES))
    found = _divided(white, peaks, found, width)
    first = (~found).int().argsort(dim=1, stable=True)[:, :modes]  # the modes that most starts reached
    peaks, found = peaks.gather(1, first[..., None].expand(-1, -1, dim)), found.gather(1, first)
    location, density = _sharpen(white, peaks, width)
    nearest = distance(white, torch.where(found[..., None], location.float(), 1e6)).argmin(dim=-1)
    share = torch.nn.functional.one_hot(nearest, modes).double().mean(dim=1)

    order = torch.where(found, density, -torch.inf).argsort(dim=1, descending=True, stable=True)
    low, high = points.amin(dim=1, keepdim=True), points.amax(dim=1, keepdim=True)
    location = (product(root[:, None], location) + centre).clamp(low, high)  # rounding must not leave the prior
    found = found.gather(1, order)
    return Modes(
        torch.where(found[..., None], location.gather(1, order[..., None].expand(-1, -1, dim)), torch.nan),
        torch.where(found, share.gather(1, order), torch.nan),
        torch.where(found, density.gather(1, order), torch.nan),
    )


def _climb(points: Tensor, starts: Tensor, width: float) -> Tensor:
    """Return where each start (N, S, D) ends when it is moved repeatedly to the kernel-weighted mean."""
    dim = points.shape[-1]
    moments = columns(points, torch.ones_like(points[..., :1])).mT.contiguous().mT  # twice as fast as row by row
    raised = _raised(points, width)
    for _ in range(ITERATIONS):  # a fixed number, so that posteriors do not affect each other
        total = _kernel(starts, raised, width) @ moments
        starts = total[..., :dim] / total[..., dim : dim + 1]
    return starts


def _raised(points: Tensor, width: float) -> Tensor:
    """Return the factor, (N, 8, n) for D up to 6, that makes the exponents of kernels at points (N, n, D) a product."""
    square = (points**2).sum(dim=-1, keepdim=True) / (-2 * width**2)
    return columns(points, square, torch.ones_like(square)).mT.contiguous()


def _kernel(at: Tensor, raised: Tensor, width: float) -> Tensor:
    """Return Gaussian kernels (N, S, n) of points around places (N, S, D), normalised to 1 at zero distance."""
    scaled = at / width**2
    square = (at * scaled).sum(dim=-1, keepdim=True) / -2
    return _exp(columns(scaled, torch.ones_like(square), square) @ raised)


def _exp(exponent: Tensor) -> Tensor:
    """Return exp(exponent), which is overwritten, or else the smallest number that is computed fast."""
    return exponent.clamp_(min=LEAST[exponent.dtype]).exp_()


def _divided(points: Tensor, peaks: Tensor, found: Tensor, width: float) -> Tensor:
    """Return which peaks (N, M) are separated by a dip from every earlier peak, which more starts reached."""
    found = found.clone()
    lower, upper = torch.tril_indices(peaks.shape[1], peaks.shape[1], offset=-1)
    steps = torch.linspace(0, 1, 9, dtype=points.dtype, device=points.device)[:, None]
    ways = torch.lerp(peaks[:, lower, None], peaks[:, upper, None], steps)  # (N, pairs, 9, D)
    height = _kernel(ways.flatten(1, 2), _raised(points, width), width).sum(dim=-1).unflatten(1, ways.shape[1:3])
    dips = height.amin(dim=-1) < torch.minimum(height[..., 0], height[..., -1]) * SADDLE
    for pair, (low, high) in enumerate(zip(lower.tolist(), upper.tolist(), strict=True)):
        found[:, low] &= dips[:, pair] | ~found[:, high]
    return found


def _merge(ends: Tensor, apart: float, modes: int) -> tuple[Tensor, Tensor]:
    """Return the `modes` end points (N, M, D) that most starts reached, and which of them exist (N, M)."""
    close = distance(ends, ends) < apart
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
    """Climb on with a kernel that shrinks to the local covariance; return locations (N, M, D) and log-densities (N, M).

    Under a kernel of covariance K, samples of a peak of covariance C have covariance (1/C + 1/K)^-1. Taking
    that as the next kernel narrows it step by step, along the peak's own axes, to C, C/2, C/3 ...
    """
    clusters, modes, dim = location.shape
    points, location = points.double(), location.double()  # float64: kernels may become very thin, far from the origin
    products = (points[..., None] * points[..., None, :]).flatten(2)
    moments = columns(torch.ones_like(points[..., :1]), points, products)  # (N, n, 1 + D + D^2 or more)
    raised = moments.mT.contiguous()
    kernel = torch.eye(dim, dtype=points.dtype, device=points.device).expand(clusters, modes, dim, dim) * width**2
    alive = torch.ones(clusters, modes, dtype=torch.bool, device=points.device)
    density = torch.full((clusters, modes), -torch.inf, dtype=points.dtype, device=points.device)
    for _ in range(SHARPEN):
        # -(p - m) K^-1 (p - m) / 2 as one product of a factor of the mode and a factor of the point
        root, inverse_root = cholesky(kernel)
        inverse = product(inverse_root.mT[..., None, :, :], inverse_root.mT)
        linear = product(inverse, location)
        constant = -0.5 * (location * linear).sum(dim=-1, keepdim=True)
        exponent = columns(constant, linear, -0.5 * inverse.flatten(2)) @ raised
        top = exponent.amax(dim=-1, keepdim=True)
        weight = _exp(exponent - top)
        total = weight @ moments
        count = total[..., 0]
        alive = alive & (count**2 / (weight**2).sum(dim=-1) > LEAST_WEIGHT)
        here = count.log() + top[..., 0] - root.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)
        moved = total[..., 1 : 1 + dim] / count[..., None]
        square = (total[..., 1 + dim :] / count[..., None])[..., : dim**2].unflatten(-1, (dim, dim))
        spread = square - moved[..., None] * moved[..., None, :]
        density = torch.where(alive | density.isinf(), here, density)
        location = torch.where(alive[..., None], moved, location)
        kernel = torch.where(alive[..., None, None], regular(spread), kernel)
    return location, density
