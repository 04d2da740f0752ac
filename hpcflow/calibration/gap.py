"""The gap between a flow and the exact posterior, in nats; zero is perfect.

The mean of log p_exact(theta | x) - log q(theta | x) over held-out pairs is the mean Kullback-Leibler divergence from
the exact posterior to the flow. By the chain rule it is a sum over parameters, each given those before it. The flow's
density of the first parameters only is an integral over the others, taken over exact samples of them:

    q(theta_1 .. theta_k | x) = p(theta_1 .. theta_k | x) E[q(theta | x) / p(theta | x)],
    theta_{k+1} .. theta_D ~ p(. | theta_1 .. theta_k, x)
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpcflow.flow.base import Flow
from hpcflow.posterior.exact import Chain

__all__ = ["gaps"]


@torch.inference_mode()
def gaps(flow: Flow, x: Tensor, theta: Tensor, chains: Sequence[Chain]) -> NDArray[np.floating]:
    """Return each parameter's part of the gap (N, D), in the chains' order; a row adds up to log p - log q.

    Args:
        flow: the flow, q.
        x: features (N, F) of N clusters.
        theta: (N, D) points whose densities are compared.
        chains: exact density of each point, all with the same number of samples.
    """
    reached = np.array([chain.log_p[-1] for chain in chains]) - flow(theta, x).double().numpy()
    held = [_held(flow, x, chains, k) for k in range(len(chains[0].given))]
    return np.diff(np.stack([*held, reached], axis=1), axis=1, prepend=0.0)


def _held(flow: Flow, x: Tensor, chains: Sequence[Chain], k: int) -> NDArray[np.floating]:
    """Return log p - log q (N,) of the first k + 1 parameters."""
    samples = torch.from_numpy(np.stack([chain.given[k] for chain in chains])).float()
    log_p = torch.from_numpy(np.stack([chain.log_p_given[k] for chain in chains]))
    ratio = flow.log_prob(samples, x).double() - log_p
    return (np.log(ratio.shape[1]) - torch.logsumexp(ratio, dim=1)).numpy()
