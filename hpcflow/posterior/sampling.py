"""Posterior samples of one cluster at a time, and what is computed from all of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpcflow.flow.base import Flow
from hpcflow.store.partitions import rng_for

__all__ = ["keyed_noise", "sample_cluster", "summarise"]

Floats = NDArray[np.floating]

# Rows through the network at once: what lies between its layers stays in the processor's cache. Up to ten members of an
# ensemble have the same number of them.
TILE = 2520


def keyed_noise(seed: int, key: Sequence[object], n: int, dim: int) -> Tensor:
    """Return the standard normal noise (n, D) that belongs to a cluster, whoever its neighbours are."""
    noise = rng_for(seed, "posterior", *key).standard_normal((n, dim), dtype=np.float32)
    return torch.from_numpy(noise)


@torch.inference_mode()
def sample_cluster(flow: Flow, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return samples (n, D) in declared units and log q (n,) for one cluster's features x (F,) and noise (n, D).

    A cluster goes through the network alone, in tiles of fixed shape: how matrix products round may depend on the
    number of rows.
    """
    tiles = noise.split(TILE) if noise.device.type == "cpu" else [noise]
    parts = [flow.transform(tile[None], x[None]) for tile in tiles]
    theta, log_q = (torch.cat(part, dim=1)[0] for part in zip(*parts, strict=True))
    return theta, log_q


def summarise(theta: Floats, log_q: Floats, levels: Sequence[float]) -> dict[str, NDArray[Any]]:
    """Return quantile (Q, D), mean, std (D,), covariance (D, D) and entropy () of samples (n, D) with log q (n,)."""
    points = np.ascontiguousarray(theta.T, dtype=np.float64)
    covariance = np.cov(points)
    return {
        "quantile": np.quantile(np.sort(points, axis=1), levels, axis=1),
        "mean": points.mean(axis=1),
        "std": np.sqrt(np.diagonal(covariance)),
        "covariance": covariance,
        "entropy": -log_q.mean(dtype=np.float64),
    }
