"""Posterior samples of several clusters at once, and the statistics of each cluster's samples."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpcflow.flow.base import Flow
from hpcflow.flow.estimator import Estimator
from hpcflow.model.observe import Photometry

__all__ = ["BLOCK", "conditions", "embedded", "padded", "sample", "summarise", "together"]

Floats = NDArray[np.floating]

# Rows through the network at once, so that activations stay in the processor's cache. A multiple of every ensemble size
# up to ten, so that all members get the same number of rows.
TILE = 2520
# Clusters that are computed together if each is little work. Processors handle 16 float32 at a time and torch twice as
# many, and the remainder at the end of an array may be rounded differently; 32 clusters never leave a remainder.
BLOCK = 32


def together(n: int) -> int:
    """Return the number of clusters, with n samples each, that go through the network as one tile.

    >>> [together(n) for n in (100, 200, 1000, 10_000)]
    [16, 8, 1, 1]
    """
    counts = [count for count in (2, 4, 8, 16, BLOCK) if count * n <= TILE and count * n % BLOCK == 0]
    return max(counts, default=1)


def conditions(estimator: Estimator, photometry: Photometry) -> Tensor:
    """Return the features x (N, F) of up to BLOCK clusters, independent of their number."""
    filled = Photometry(*(padded(torch.from_numpy(np.ascontiguousarray(a)), BLOCK) for a in photometry))
    return estimator.condition(filled)[: len(photometry.flux)]


def padded(rows: Tensor, size: int) -> Tensor:
    """Return rows (N, ...) padded to a multiple of `size` by repeating the last one."""
    return torch.cat([rows, rows[-1:].expand(-len(rows) % size, *rows.shape[1:])])


@torch.inference_mode()
def embedded(flow: Flow, x: Tensor) -> Tensor:
    """Return the contexts (N, ..., C) of clusters with features x (N, F), independent of their number."""
    return torch.cat([flow.embed(block) for block in padded(x, BLOCK).split(BLOCK)])[: len(x)]


@torch.inference_mode()
def sample(flow: Flow, context: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Turn each cluster's noise into its samples.

    Clusters go through the network in tiles whose shape depends only on n. The rounding of matrix products may depend
    on the number of rows but not on the values in other rows, so a cluster's samples do not depend on its neighbours.

    Args:
        flow: flow in evaluation mode.
        context: (N, ..., C) contexts of the clusters, see `embedded`.
        noise: (N, n, D) standard normal draws.

    Returns:
        samples (N, n, D) in declared units, and log q (N, n).
    """
    alike = noise.device.type == "cpu"
    count, rows = (together(noise.shape[1]), TILE) if alike else (len(noise), noise.shape[1])
    found = []
    for group, given in zip(padded(noise, count).split(count), padded(context, count).split(count), strict=True):
        tiles = [flow.transform_given(tile, given) for tile in group.split(rows, dim=1)]
        found.append([torch.cat(part, dim=1) for part in zip(*tiles, strict=True)])
    theta, log_q = (torch.cat(part)[: len(noise)] for part in zip(*found, strict=True))
    return theta, log_q


def summarise(theta: Floats, log_q: Floats, levels: Sequence[float]) -> dict[str, NDArray[Any]]:
    """Return quantile (Q, D), mean, std (D,), covariance (D, D) and entropy () of samples (n, D) with log q (n,)."""
    points = np.ascontiguousarray(theta.T, dtype=np.float64)
    covariance = np.atleast_2d(np.cov(points))
    return {
        "quantile": np.quantile(np.sort(points, axis=1), levels, axis=1),
        "mean": points.mean(axis=1),
        "std": np.sqrt(np.diagonal(covariance)),
        "covariance": covariance,
        "entropy": -log_q.mean(dtype=np.float64),
    }
