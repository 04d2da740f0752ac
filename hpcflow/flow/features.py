"""An object's features: the conditioning vector x of a flow, computed from the photometry."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from hpcflow.model.observe import Photometry
from hpcflow.model.scale import Given

__all__ = ["FEATURES", "Features", "bare"]

MIN_RELATIVE_ERROR, MAX_RELATIVE_ERROR = 1e-4, 10.0  # so that useless bands stay finite
LEAST_WEIGHT = 1e-3  # of a band in a cluster's mean luminosity, which undetected bands alone then still have


def paper(photometry: Photometry, given: Sequence[Given]) -> Tensor:
    """Return log10 f*, r* and what is given, (N, 2B + K): the 11 inputs of Walter et al. 2026 for five bands."""
    return torch.cat([_log_flux(photometry), _relative_error(photometry), photometry.given], dim=1)


def absolute(photometry: Photometry, given: Sequence[Given]) -> Tensor:
    """Return features (N, 4B + 1 + L) in which the distance drops out.

    log10(f* d^2) is the flux that the cluster would have at 1 Mpc: given it, the posterior does not depend on distance.
    The features are its mean over the observed bands, each band's difference from the mean (a colour), r*, log10 r*,
    and which bands are observed. All entries of a missing band are zero. The L given quantities with which fluxes do
    not fall, or which are simulated, are features themselves.
    """
    error = _relative_error(photometry)
    luminosity = _log_flux(photometry) + _dimming(photometry, given)
    return _by_band(photometry, given, luminosity, error, error.log10())


def asinh(photometry: Photometry, given: Sequence[Given]) -> Tensor:
    """Return features (N, 4B + 1 + L) like those of `absolute` for fluxes that may be zero or negative.

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
    luminosity = sigma.log10() + _dimming(photometry, given) + stretched
    drowned = (1 + signal**2).rsqrt()
    return _by_band(photometry, given, luminosity, drowned, stretched, weight=1 - drowned**2 + LEAST_WEIGHT)


FEATURES: dict[str, Callable[[Photometry, Sequence[Given]], Tensor]] = {
    "paper": paper,
    "absolute": absolute,
    "asinh": asinh,
}


def bare(photometry: Photometry, given: Sequence[Given]) -> Tensor:
    """Return f* / sigma, log10 of sigma where fluxes are as simulated, and which bands are observed, (N, 3B).

    Both are zero in a missing band.
    """
    observed = photometry.observed
    flux, sigma = (torch.where(observed, values, 1.0) for values in photometry[:2])
    fallen = [q.falls * (photometry.given[:, k] / q.reference).log10()[:, None] for k, q in enumerate(given) if q.falls]
    level = sigma.log10() + (sum(fallen[1:], fallen[0]) if fallen else 0.0)
    return torch.cat([torch.where(observed, part, 0.0) for part in (flux / sigma, level)] + [observed.to(flux)], dim=1)


def unscaled(photometry: Photometry, given: Sequence[Given]) -> Tensor:
    """Return the L given quantities (N, L) with which fluxes do not merely fall."""
    columns = [photometry.given[:, k : k + 1] for k, quantity in enumerate(given) if not _drops_out(quantity)]
    return torch.cat([photometry.given[:, :0], *columns], dim=1)


KINDS = {**FEATURES, "unscaled": unscaled}


class Features(nn.Module):
    """Features of one kind, standardised by their mean and standard deviation in training.

    Args:
        kind: a key of `FEATURES`, or unscaled where photometry is seen as a set of bands alone.
        bands: number B of bands.
        given: what is given of each object.
        with_bare: whether bare photometry follows, for what is computed rather than learned.

    Attributes:
        size: number F of all columns.
        learned: number of the first columns, which are standardised.
        unscaled: number of the last of these, for what is given and does not merely scale fluxes.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, kind: str, bands: int, given: Sequence[Given], with_bare: bool = False) -> None:
        super().__init__()
        self.kind, self._given, self._with_bare = kind, tuple(given), with_bare
        ones = torch.ones(1, bands)
        self.learned = self._of(Photometry(ones, ones, ones.bool(), torch.ones(1, len(given)))).shape[1]
        self.size = self.learned + (3 * bands if with_bare else 0)
        self.unscaled = sum(not _drops_out(quantity) for quantity in given)  # the last of those learned
        self.register_buffer("mean", torch.zeros(self.learned))
        self.register_buffer("spread", torch.ones(self.learned))

    def fit(self, photometry: Photometry) -> None:
        """Set mean and standard deviation from a large draw of training photometry."""
        x = self._of(photometry)
        if not x.shape[1]:
            return
        self.mean.copy_(x.mean(dim=0))
        spread = x.std(dim=0)
        self.spread.copy_(torch.where(spread > 1e-6, spread, 1.0))  # a mask that never changes has no spread

    def forward(self, photometry: Photometry) -> Tensor:
        """Return the conditioning vectors x (N, F) of N objects."""
        x = (self._of(photometry) - self.mean) / self.spread
        return torch.cat([x, bare(photometry, self._given)], dim=1) if self._with_bare else x

    def _of(self, photometry: Photometry) -> Tensor:
        return KINDS[self.kind](photometry, self._given)


def _dimming(photometry: Photometry, given: Sequence[Given]) -> Tensor | float:
    """Return log10 (N, 1) of the factor by which fluxes have fallen, up to a constant."""
    terms = [q.falls * photometry.given[:, k].log10()[:, None] for k, q in enumerate(given) if _drops_out(q)]
    return sum(terms[1:], terms[0]) if terms else 0.0


def _drops_out(quantity: Given) -> bool:
    """Return whether the posterior of a scaled flux does not depend on a given quantity."""
    return bool(quantity.falls) and not quantity.simulated


def _by_band(
    photometry: Photometry, given: Sequence[Given], luminosity: Tensor, *more: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Return the mean luminosity (N, 1), each band's difference from it, further columns (N, B), and `observed`.

    The given quantities that do not drop out follow.
    """
    observed = photometry.observed
    count = torch.where(observed, torch.ones_like(luminosity) if weight is None else weight, 0)
    total = (count * torch.where(observed, luminosity, 0)).sum(dim=1, keepdim=True)
    mean = total / count.sum(dim=1, keepdim=True).clamp(min=1e-6)
    bands = torch.stack([luminosity - mean, *more])
    seen = torch.where(observed, bands, 0)
    return torch.cat([mean, *seen, observed.to(mean.dtype), unscaled(photometry, given)], dim=1)


def _log_flux(photometry: Photometry) -> Tensor:
    flux = torch.where(photometry.observed, photometry.flux, 1.0)
    return torch.where(photometry.observed, flux.log10(), 0.0)


def _relative_error(photometry: Photometry) -> Tensor:
    error = torch.where(photometry.observed, photometry.sigma / photometry.flux, 1.0)
    return error.clamp(MIN_RELATIVE_ERROR, MAX_RELATIVE_ERROR)
