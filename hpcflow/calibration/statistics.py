"""Calibration statistics: ranks of the truth among posterior samples in each parameter, in density and in distance.

Each statistic is a share of the samples, uniform on [0, 1] over many simulations if the posteriors are right.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["calibrate", "denser", "nearer", "product_names"]


def product_names(names: Sequence[str]) -> list[str]:
    """Return the names of the products of two parameters that are ranked as well (Walter et al. 2026, sect. 3.1).

    >>> product_names(["log_age", "log_mass", "ebv"])
    ['log_age*log_mass', 'log_age*ebv', 'log_mass*ebv']
    """
    return [f"{a}*{b}" for a, b in combinations(names, 2)]


def calibrate(truth: Tensor, samples: Tensor, levels: Sequence[float]) -> dict[str, NDArray[Any]]:
    """Rank the truth among samples of its posterior (Talts et al. 2018).

    Args:
        truth: (N, D) true parameters.
        samples: (N, n, D) samples of each posterior.
        levels: levels of the quantiles.

    Returns:
        rank (N, D) and rank_product (N, P), the shares of samples below the truth; quantile (N, Q, D).
    """
    first, second = torch.combinations(torch.arange(truth.shape[1])).T
    products = truth[:, first] * truth[:, second]
    sample_products = samples[..., first] * samples[..., second]
    quantile = torch.quantile(samples, torch.tensor(levels, dtype=samples.dtype), dim=1).movedim(0, 1)
    return {
        "rank": (samples < truth[:, None]).double().mean(dim=1).numpy(),
        "rank_product": (sample_products < products[:, None]).double().mean(dim=1).numpy(),
        "quantile": quantile.numpy().astype(np.float32),
    }


def denser(log_q: Tensor, sample_log_q: Tensor) -> NDArray[np.floating]:
    """Return the share (N,) of samples where the posterior density is higher than at the truth.

    This is the level of the smallest region of highest density that contains the truth; how often it is below a level
    is the expected coverage of that level (Hermans et al. 2022, arXiv:2110.06581, sect. 2).

    Args:
        log_q: (N,) log-densities of the truths.
        sample_log_q: (N, n) log-densities of the samples.
    """
    return np.asarray((sample_log_q > log_q[:, None]).double().mean(dim=1).numpy())


def nearer(truth: Tensor, samples: Tensor, reference: Tensor) -> NDArray[np.floating]:
    """Return the share (N,) of samples that are nearer to a reference point than the truth is (TARP).

    Source: Lemos et al. 2023 (arXiv:2302.03026), algorithm 2.

    Args:
        truth: (N, D) true parameters, in coordinates where distances make sense, such as the prior's unit cube.
        samples: (N, n, D) posterior samples in the same coordinates.
        reference: (N, D) points drawn independently of the truth.
    """
    away = (truth - reference).square().sum(dim=-1)
    return np.asarray(((samples - reference[:, None]).square().sum(dim=-1) < away[:, None]).double().mean(dim=1))
