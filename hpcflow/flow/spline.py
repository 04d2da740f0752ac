"""Monotonic rational-quadratic splines (Durkan et al. 2019, arXiv:1906.04032), both ways, with linear tails."""

import math

import torch
from torch import Tensor
from torch.nn.functional import pad, softplus

__all__ = ["parameters_per_spline", "spline", "spline_inverse"]

BOUND = 5.0  # identity outside [-BOUND, BOUND]
MIN_BIN, MIN_SLOPE = 1e-3, 1e-3
UNIT_SLOPE = math.log(math.expm1(1 - MIN_SLOPE))  # softplus of it is a slope of 1: zero means identity


def parameters_per_spline(bins: int) -> int:
    """Return how many numbers one spline of `bins` bins takes: widths, heights and inner slopes."""
    return 3 * bins - 1


def spline(x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
    """Return y = f(x) (...) and log f'(x) (...) for x (...) and raw parameters (..., 3K - 1)."""
    widths, heights, slopes = _knots(raw)
    inside = x.clamp(-BOUND, BOUND)
    left, width, bottom, height, low, high = _bin(inside, widths, widths, heights, slopes)
    share = (inside - left) / width
    mean = height / width
    mix = share * (1 - share)
    denominator = mean + (low + high - 2 * mean) * mix
    y = bottom + height * (mean * share**2 + low * mix) / denominator
    return _tails(x, y), _tails_log_slope(x, _log_slope(mean, share, mix, low, high, denominator))


def spline_inverse(y: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
    """Return x = f^-1(y) (...) and log f'(x) (...), the slope of the forward map, for y (...)."""
    widths, heights, slopes = _knots(raw)
    inside = y.clamp(-BOUND, BOUND)
    left, width, bottom, height, low, high = _bin(inside, heights, widths, heights, slopes)
    mean = height / width
    rise = inside - bottom
    excess = rise * (low + high - 2 * mean)
    a = height * (mean - low) + excess
    b = height * low - excess
    c = -mean * rise
    share = 2 * c / (-b - (b**2 - 4 * a * c).clamp(min=0).sqrt())
    mix = share * (1 - share)
    denominator = mean + (low + high - 2 * mean) * mix
    return _tails(y, left + width * share), _tails_log_slope(y, _log_slope(mean, share, mix, low, high, denominator))


def _knots(raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return bin widths and heights (..., K), which add up to 2 BOUND, and slopes at all K + 1 knots."""
    bins = (raw.shape[-1] + 1) // 3
    floor = MIN_BIN * bins
    widths = 2 * BOUND * (MIN_BIN + (1 - floor) * torch.softmax(raw[..., :bins], dim=-1))
    heights = 2 * BOUND * (MIN_BIN + (1 - floor) * torch.softmax(raw[..., bins : 2 * bins], dim=-1))
    inner = MIN_SLOPE + softplus(raw[..., 2 * bins :] + UNIT_SLOPE)
    return widths, heights, pad(inner, (1, 1), value=1.0)


def _bin(inside: Tensor, searched: Tensor, widths: Tensor, heights: Tensor, slopes: Tensor) -> tuple[Tensor, ...]:
    """Return left edge, width, bottom, height, low and high slope of the bin that each point falls in."""
    edges = searched.cumsum(dim=-1)[..., :-1] - BOUND
    index = (inside[..., None] >= edges).sum(dim=-1, keepdim=True)

    def at(values: Tensor, offset: int = 0) -> Tensor:
        values = values.expand(*index.shape[:-1], values.shape[-1])
        return values.gather(-1, index + offset)[..., 0]

    width, height = at(widths), at(heights)
    return (
        at(widths.cumsum(dim=-1)) - width - BOUND,
        width,
        at(heights.cumsum(dim=-1)) - height - BOUND,
        height,
        at(slopes),
        at(slopes, 1),
    )


def _log_slope(mean: Tensor, share: Tensor, mix: Tensor, low: Tensor, high: Tensor, denominator: Tensor) -> Tensor:
    numerator = high * share**2 + 2 * mean * mix + low * (1 - share) ** 2
    return 2 * mean.log() + numerator.log() - 2 * denominator.log()


def _tails(x: Tensor, inner: Tensor) -> Tensor:
    return torch.where(x.abs() < BOUND, inner, x)


def _tails_log_slope(x: Tensor, inner: Tensor) -> Tensor:
    return torch.where(x.abs() < BOUND, inner, torch.zeros_like(inner))
