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


def keyed_noise(seed: int, key: Sequence[object], n: int, dim: int) -> Tensor:
    """Return the standard normal noise (n, D) that belongs to a cluster, whoever its neighbours are."""
    noise = rng_for(seed, "posterior", *key).standard_normal((n, dim), dtype=np.float32)
    return torch.from_numpy(noise)


@torch.inference_mode()
def sample_cluster(flow: Flow, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return samples (n, D) in declared units and log q (n,) for one cluster's features x (F,) and noise (n, D).

    A cluster is one tile of fixed shape through the network: how matrix products round may depend on the number
    of rows, so tiles are never joined.
    """
    theta, log_q = flow.transform(noise[None], x[None])
    return theta[0], log_q[0]


def summarise(theta: Tensor, log_q: Tensor, levels: Sequence[float]) -> dict[str, NDArray[Any]]:
    """Return quantile (Q, D), mean, std (D,), covariance (D, D) and entropy () of samples (n, D) with log q (n,)."""
    points = theta.double()
    covariance = torch.cov(points.T)
    return {
        "quantile": torch.quantile(points, torch.tensor(levels, dtype=points.dtype), dim=0).numpy(),
        "mean": points.mean(dim=0).numpy(),
        "std": covariance.diagonal().sqrt().numpy(),
        "covariance": covariance.numpy(),
        "entropy": -log_q.double().mean().numpy(),
    }
