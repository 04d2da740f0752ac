"""The validation loss and the gap of a flow on held-out examples."""

import math

import torch
from torch import Tensor

from hpcflow.flow.base import Flow
from hpcflow.flow.distributed import Ranks

__all__ = ["held_out_loss"]

ROWS = 4096  # evaluated at once


@torch.no_grad()
def held_out_loss(flow: Flow, theta: Tensor, x: Tensor, exact: Tensor | None, ranks: Ranks) -> tuple[float, float]:
    """Return the means over held-out examples of -log q and of exact log p - log q, computed by all ranks together.

    Args:
        flow: the flow to evaluate.
        theta: (N, D) parameters of N held-out examples.
        x: (N, F) their features.
        exact: (m,) exact log posterior densities of the first m examples; if None, the gap is NaN.
        ranks: processes that share the work.

    Returns:
        Both in nats, the same on all ranks.
    """
    known = 0 if exact is None else len(exact)
    sums = torch.zeros(2, dtype=torch.float64, device=x.device)
    size = min(ROWS, -(-len(x) // ranks.size))
    for start in range(ranks.rank * size, len(x), ranks.size * size):
        log_q = flow(theta[start : start + size], x[start : start + size]).double()
        sums[0] -= log_q.sum()
        if exact is not None and start < known:
            log_p = exact[start : start + size].to(log_q)
            sums[1] += (log_p - log_q[: len(log_p)]).sum()
    loss, excess = ranks.sum(sums).tolist()
    return loss / len(x), excess / known if known else math.nan
