"""Monotonic rational-quadratic splines (Durkan et al. 2019, arXiv:1906.04032) with linear tails, and their inverse."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad, softplus

__all__ = ["knots_of", "parameters_per_spline", "spline", "spline_inverse"]

BOUND = 5.0  # identity outside [-BOUND, BOUND]
MIN_BIN, MIN_SLOPE = 1e-3, 1e-3
WIDTHS, HEIGHTS = 0, 1
UNIT_SLOPE = math.log(math.expm1(1 - MIN_SLOPE))  # its softplus is a slope of 1, so that raw zeros are the identity


def parameters_per_spline(bins: int) -> int:
    """Return the number of raw parameters of a spline with `bins` bins: widths, heights and inner slopes."""
    return 3 * bins - 1


def knots_of(raw: Tensor) -> Tensor:
    """Return the knots (..., 3, K + 1) of splines with raw parameters (..., 3K - 1): x, y, and the slope there.

    All of them may be interpolated between splines: what comes out is the knots of a spline that increases.
    """
    bins = (raw.shape[-1] + 1) // 3
    reach = torch.softmax(raw[..., : 2 * bins].unflatten(-1, (2, bins)), dim=-1).cumsum(dim=-1)
    floors = torch.arange(1, bins, dtype=raw.dtype, device=raw.device) * (2 * BOUND * MIN_BIN) - BOUND
    edges = floors + 2 * BOUND * (1 - MIN_BIN * bins) * reach[..., :-1]
    slopes = MIN_SLOPE + softplus(raw[..., 2 * bins :] + UNIT_SLOPE)
    return torch.cat(
        [pad(pad(edges, (1, 0), value=-BOUND), (0, 1), value=BOUND), pad(slopes, (1, 1), value=1.0)[..., None, :]],
        dim=-2,
    )


def spline(x: Tensor, shape: Tensor, *, by_knots: bool = False) -> tuple[Tensor, Tensor]:
    """Return y = f(x) (...) and log f'(x) (...) for x (...).

    Args:
        x: where.
        shape: raw parameters (..., 3K - 1), or knots (..., 3, K + 1).
        by_knots: which of the two.
    """
    inside = x.clamp(-BOUND, BOUND)
    (left, bottom), (width, height), low, high = (_between if by_knots else _bin)(inside, shape, WIDTHS)
    share = (inside - left) / width
    mean = height / width
    mix = share * (1 - share)
    denominator = mean + (low + high - 2 * mean) * mix
    y = bottom + height * (mean * share**2 + low * mix) / denominator
    return _tails(x, y), _tails_log_slope(x, _log_slope(mean, share, mix, low, high, denominator))


def spline_inverse(y: Tensor, shape: Tensor, *, by_knots: bool = False) -> tuple[Tensor, Tensor]:
    """Return x = f^-1(y) (...) and log f'(x) (...), the slope of the forward map, for y (...); see `spline`."""
    inside = y.clamp(-BOUND, BOUND)
    (left, bottom), (width, height), low, high = (_between if by_knots else _bin)(inside, shape, HEIGHTS)
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


def _bin(value: Tensor, raw: Tensor, axis: int) -> tuple[Sequence[Tensor], Sequence[Tensor], Tensor, Tensor]:
    """Find the bin that each value (...) falls in.

    Most of the cost of a spline is here, so other bins are touched as little as possible.

    Args:
        value: points inside [-BOUND, BOUND].
        raw: (..., 3K - 1) raw parameters, whose leading axes may be broadcast.
        axis: WIDTHS or HEIGHTS, along which to find the bin; either adds up to 2 BOUND.

    Returns:
        left edge and bottom, width and height, slopes at the low and the high end, each (...).
    """
    bins = (raw.shape[-1] + 1) // 3
    share = torch.softmax(raw[..., : 2 * bins].unflatten(-1, (2, bins)), dim=-1)
    reach = share.cumsum(dim=-1)
    stretch = 2 * BOUND * (1 - MIN_BIN * bins)
    floors = torch.arange(1, bins, dtype=raw.dtype, device=raw.device) * (2 * BOUND * MIN_BIN) - BOUND
    edges = torch.add(floors, reach[..., axis, :-1], alpha=stretch)
    index = (value[..., None] >= edges).sum(dim=-1, keepdim=True)
    both = index[..., None, :].expand(*value.shape, 2, 1)
    there = (*value.shape, 2, bins)
    size = 2 * BOUND * MIN_BIN + stretch * share.expand(there).gather(-1, both)[..., 0]
    start = 2 * BOUND * MIN_BIN * (index + 1) - BOUND + stretch * reach.expand(there).gather(-1, both)[..., 0] - size
    knots = torch.cat([index, index + 1], dim=-1)
    inner = raw[..., 2 * bins :].expand(*value.shape, bins - 1).gather(-1, (knots - 1).clamp(0, bins - 2))
    slope = torch.where((knots > 0) & (knots < bins), MIN_SLOPE + softplus(inner + UNIT_SLOPE), 1.0)  # 1 at either end
    low, high = slope.unbind(dim=-1)
    return start.unbind(dim=-1), size.unbind(dim=-1), low, high


def _between(value: Tensor, knots: Tensor, axis: int) -> tuple[Sequence[Tensor], Sequence[Tensor], Tensor, Tensor]:
    """Find the bin between knots (..., 3, K + 1) that each value (...) falls in; see `_bin`."""
    index = (value[..., None] >= knots[..., axis, 1:-1]).sum(dim=-1)[..., None, None]
    low, high = (knots.gather(-1, end.expand(*value.shape, 3, 1))[..., 0] for end in (index, index + 1))
    start, size = low[..., :2], high[..., :2] - low[..., :2]
    return start.unbind(dim=-1), size.unbind(dim=-1), low[..., 2], high[..., 2]


def _log_slope(mean: Tensor, share: Tensor, mix: Tensor, low: Tensor, high: Tensor, denominator: Tensor) -> Tensor:
    numerator = high * share**2 + 2 * mean * mix + low * (1 - share) ** 2
    return 2 * mean.log() + numerator.log() - 2 * denominator.log()


def _tails(x: Tensor, inner: Tensor) -> Tensor:
    return torch.where(x.abs() < BOUND, inner, x)


def _tails_log_slope(x: Tensor, inner: Tensor) -> Tensor:
    return torch.where(x.abs() < BOUND, inner, torch.zeros_like(inner))
