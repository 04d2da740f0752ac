"""A cluster's features: the conditioning vector x of a flow, computed from the photometry."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from hpcflow.model.observe import Photometry

__all__ = ["FEATURES", "Features"]

MIN_RELATIVE_ERROR, MAX_RELATIVE_ERROR = 1e-4, 10.0  # so that useless bands stay finite
LEAST_WEIGHT = 1e-3  # of a band in a cluster's mean luminosity, which undetected bands alone then still have


def paper(photometry: Photometry) -> Tensor:
    """Return log10 f*, r* and d, (N, 2B + 1): the 11 inputs of Walter et al. 2026 for five bands."""
    return torch.cat([_log_flux(photometry), _relative_error(photometry), photometry.distance[:, None]], dim=1)


def absolute(photometry: Photometry) -> Tensor:
    """Return features (N, 4B + 1) in which the distance drops out.

    log10(f* d^2) is the flux that the cluster would have at 1 Mpc: given it, the posterior does not depend on distance.
    The features are its mean over the observed bands, each band's difference from the mean (a colour), r*, log10 r*,
    and which bands are observed. All entries of a missing band are zero.
    """
    error = _relative_error(photometry)
    luminosity = _log_flux(photometry) + 2 * photometry.distance.log10()[:, None]
    return _by_band(photometry.observed, luminosity, error, error.log10())


def asinh(photometry: Photometry) -> Tensor:
    """Return features (N, 4B + 1) like those of `absolute` for fluxes that may be zero or negative.

    log10(f* d^2) is replaced by log10(sigma d^2) + asinh(f* / 2 sigma) / ln 10 (Lupton, Gunn & Szalay 1999, AJ 118,
    1406; the softening is the band's own error), which is the same for a well-detected band, log10(sigma d^2) if f* is
    zero, and finite for any flux. r* is replaced by 1 / sqrt(1 + (f* / sigma)^2), which approaches 1 as a band drowns
    in its error, and -log10 r* by the asinh. An undetected band says little about the luminosity: bands count in the
    mean by (f* / sigma)^2 / (1 + (f* / sigma)^2).
    """
    observed = photometry.observed
    flux, sigma = (torch.where(observed, values, 1.0) for values in photometry[:2])
    sigma = torch.maximum(sigma, MIN_RELATIVE_ERROR * flux.abs()).clamp(1e-30, 1e30)
    signal = flux / sigma
    stretched = (signal / 2).asinh() / math.log(10)
    luminosity = sigma.log10() + 2 * photometry.distance.log10()[:, None] + stretched
    drowned = (1 + signal**2).rsqrt()
    return _by_band(observed, luminosity, drowned, stretched, weight=1 - drowned**2 + LEAST_WEIGHT)


FEATURES: dict[str, Callable[[Photometry], Tensor]] = {"paper": paper, "absolute": absolute, "asinh": asinh}


class Features(nn.Module):
    """Features of one kind, standardised by their mean and standard deviation in training.

    Args:
        kind: a key of `FEATURES`.
        bands: number B of bands.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, kind: str, bands: int) -> None:
        super().__init__()
        self.kind = kind
        one = Photometry(
            torch.ones(1, bands), torch.ones(1, bands), torch.ones(1, bands, dtype=torch.bool), torch.ones(1)
        )
        self.size = FEATURES[kind](one).shape[1]
        self.register_buffer("mean", torch.zeros(self.size))
        self.register_buffer("spread", torch.ones(self.size))

    def fit(self, photometry: Photometry) -> None:
        """Set mean and standard deviation from a large draw of training photometry."""
        x = FEATURES[self.kind](photometry)
        self.mean.copy_(x.mean(dim=0))
        spread = x.std(dim=0)
        self.spread.copy_(torch.where(spread > 1e-6, spread, 1.0))  # a mask that never changes has no spread

    def forward(self, photometry: Photometry) -> Tensor:
        """Return the conditioning vectors x (N, F) of N clusters."""
        return (FEATURES[self.kind](photometry) - self.mean) / self.spread


def _by_band(observed: Tensor, luminosity: Tensor, *more: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the mean luminosity (N, 1), each band's difference from it, further columns (N, B), and `observed`."""
    count = torch.where(observed, torch.ones_like(luminosity) if weight is None else weight, 0)
    total = (count * torch.where(observed, luminosity, 0)).sum(dim=1, keepdim=True)
    mean = total / count.sum(dim=1, keepdim=True).clamp(min=1e-6)
    bands = torch.stack([luminosity - mean, *more])
    return torch.cat([mean, *torch.where(observed, bands, 0), observed.to(mean.dtype)], dim=1)


def _log_flux(photometry: Photometry) -> Tensor:
    flux = torch.where(photometry.observed, photometry.flux, 1.0)
    return torch.where(photometry.observed, flux.log10(), 0.0)


def _relative_error(photometry: Photometry) -> Tensor:
    error = torch.where(photometry.observed, photometry.sigma / photometry.flux, 1.0)
    return error.clamp(MIN_RELATIVE_ERROR, MAX_RELATIVE_ERROR)
