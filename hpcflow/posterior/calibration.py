"""Simulation-based calibration: where the truth falls among posterior samples (Talts et al. 2018)."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["calibrate", "product_names"]


def product_names(names: Sequence[str]) -> list[str]:
    """Return the products of two parameters that are ranked as well (Walter et al. 2026, sect. 3.1).

    >>> product_names(["log_age", "log_mass", "ebv"])
    ['log_age*log_mass', 'log_age*ebv', 'log_mass*ebv']
    """
    return [f"{a}*{b}" for a, b in combinations(names, 2)]


def calibrate(truth: Tensor, samples: Tensor, levels: Sequence[float]) -> dict[str, NDArray[Any]]:
    """Rank the truth among samples of its posterior; ranks are uniform if the posterior is right.

    Args:
        truth: (N, D).
        samples: (N, n, D) of each posterior.
        levels: quantiles wanted.

    Returns:
        rank (N, D), rank_product (N, P), the share of samples below the truth; quantile (N, Q, D).
    """
    pairs = list(combinations(range(truth.shape[1]), 2))
    products = torch.stack([truth[:, a] * truth[:, b] for a, b in pairs], dim=-1)
    sample_products = torch.stack([samples[..., a] * samples[..., b] for a, b in pairs], dim=-1)
    quantile = torch.quantile(samples, torch.tensor(levels, dtype=samples.dtype), dim=1).movedim(0, 1)
    return {
        "rank": (samples < truth[:, None]).double().mean(dim=1).numpy(),
        "rank_product": (sample_products < products[:, None]).double().mean(dim=1).numpy(),
        "quantile": quantile.numpy().astype(np.float32),
    }
