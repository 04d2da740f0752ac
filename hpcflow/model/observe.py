"""How a survey observes a simulated object: at what distance, with what errors and noise, in which bands.

Mock catalogues and predictive checks need this in numpy, training needs it in torch on its device. It is written once
for both kinds of array, and the caller supplies the random numbers as `Draws`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from hpcflow.model.error_law import ErrorLaw
from hpcflow.model.scale import Scale
from hpcflow.model.signal_to_noise import LEAST_SIGNAL, SignalToNoise

__all__ = ["NOISE", "Draws", "Observer", "Photometry", "add_systematic", "lognormal", "normal"]

Array = Any  # numpy array or torch tensor


class Photometry(NamedTuple):
    """Observed fluxes: flux, sigma [mJy] and observed (bool), (N, B) each, and given (N, K).

    What is given is all else that is known, such as the distance, in the order and units of the scale.
    """

    flux: Array
    sigma: Array
    observed: Array
    given: Array


class Draws(NamedTuple):
    """The random numbers of one observation of N objects in B bands.

    given: (N, K) uniform on [0, 1), of the K given quantities that are drawn; band_set: (N,), missing: (N, B) and
    error: (N, E) uniform; noise: (N, Z) standard normal. `Observer.columns` gives E and Z.
    """

    given: Array
    band_set: Array
    error: Array
    missing: Array
    noise: Array


def lognormal(flux: Array, sigma: Array, noise: Array) -> Array:
    """Return f* ~ LogNormal of mean `flux` and standard deviation `sigma`, given standard normal noise.

    ln f* ~ N(ln f - s^2/2, s^2) with s^2 = ln(1 + (sigma/f)^2); Walter et al. 2026, sect. 2.2.

    >>> float(lognormal(np.array(2.0), np.array(0.0), np.array(1.0)))
    2.0
    """
    xp = array_namespace(flux)
    variance = xp.log1p((sigma / flux) ** 2)
    return flux * xp.exp(xp.sqrt(variance) * noise - variance / 2)


def normal(flux: Array, sigma: Array, noise: Array) -> Array:
    """Return f* ~ N(flux, sigma), which may be negative; Turner et al. 2021 (MNRAS 502, 1366)."""
    return flux + sigma * noise


NOISE = {"lognormal": lognormal, "normal": normal}


def add_systematic(flux: Array, sigma: Array, systematic: float | Array) -> Array:
    """Return catalogue errors (N, B) with a relative systematic, one or (B,), in quadrature; Walter+ 2026, eq. 10."""
    xp = array_namespace(flux)
    return xp.hypot(sigma, systematic * flux)


@dataclass(frozen=True)
class Observer:
    """Place objects in the sky and observe them.

    What is given of each object, such as its distance, is uniform in its range. The object has one of the band sets,
    each with equal probability, and loses each band of it with probability `missing`; an object that would keep fewer
    than two bands keeps its whole set.

    With log-normal noise the true relative error r of a band is uniform in `relative_error`, or uniform in log r,
    sigma = r f, f* is drawn from the noise model, and r* = sigma / f* is what a catalogue would quote (Walter et al.
    2026, sect. 2.2). With normal noise `relative_error` is the range of r* itself, which is how catalogues are known,
    and bands can drown in their noise: see `model.signal_to_noise`.

    Args:
        scale: what makes observed fluxes of simulated ones, with the ranges of what is given.
        noise: name of the noise model, see `NOISE`.
        relative_error: lowest and highest relative error: true ones with log-normal noise, else listed ones.
        band_sets: (S, B) which bands each instrument set has; one set of all bands where empty.
        missing: probability that a band of the set is lost.
        undetected: probability that a band is undetected, with normal noise.
        subset: lowest and highest number of bands of its set that an object keeps, which are chosen at random, before
            any is lost; all if None.
        relative_error_scale: with log-normal noise, relative errors are uniform in this scale, `linear` or `log`.
    """

    scale: Scale
    noise: str = "lognormal"
    relative_error: tuple[float, float] = (0.0, 0.5)
    band_sets: tuple[tuple[bool, ...], ...] = ()
    missing: float = 0.0
    undetected: float = 0.0
    relative_error_scale: str = "linear"
    subset: tuple[int, int] | None = None

    @property
    def may_lack(self) -> bool:
        """Whether objects may lack any band."""
        return self.missing > 0 or self.subset is not None

    @property
    def errors(self) -> ErrorLaw:
        """The distribution of true relative errors, apart from what depends on the listed ones alone."""
        if self.noise == "normal":
            return ErrorLaw(1 / self._ratios.highest, 1 / LEAST_SIGNAL, log=True)
        return ErrorLaw(*self.relative_error, log=self.relative_error_scale == "log")

    @property
    def trained_errors(self) -> tuple[float, float]:
        """The smallest and the largest relative error that training covers; no largest one if bands are undetected."""
        low, high = self.relative_error
        return low, float("inf") if self.undetected else high

    @property
    def _ratios(self) -> SignalToNoise:
        return SignalToNoise(*self.relative_error, self.undetected)

    def columns(self, bands: int) -> tuple[int, int]:
        """Return how many uniform numbers for errors, and how many normal ones for noise, an object takes."""
        return (2 * bands + 1, 0) if self.noise == "normal" else (bands, bands)

    def __call__(
        self, flux: Array, size: Array | None, rng: np.random.Generator, simulated: Array | None = None
    ) -> Photometry:
        """Observe unscaled noiseless fluxes (N, B), in numpy; see `observe`."""
        return self.observe(flux, size, self.draws(flux.shape, rng), simulated)

    def draws(self, shape: Sequence[int], rng: np.random.Generator) -> Draws:
        """Draw the random numbers for fluxes of shape (N, B)."""
        n, bands = shape
        errors, noise = self.columns(bands)
        return Draws(
            given=rng.random((n, len(self.scale.drawn))),
            band_set=rng.random(n),
            error=rng.random((n, errors)),
            missing=rng.random((n, bands)),
            noise=rng.standard_normal((n, noise)),
        )

    def observe(self, flux: Array, size: Array | None, draws: Draws, simulated: Array | None = None) -> Photometry:
        """Observe objects with given random numbers, in the arrays' own library.

        Args:
            flux: (N, B) unscaled noiseless fluxes.
            size: (N,) values of the scale's parameter; None if it has none.
            draws: random numbers.
            simulated: (N, K) the given quantities that are parameters of the simulator, if there are any.
        """
        xp = array_namespace(flux)
        given = self._given(draws, simulated, xp)
        factor = self.scale.factor(size, given)
        true = flux * (factor if isinstance(factor, float) else factor[:, None])
        if self.noise == "normal":
            listed, real = self._ratios.draw(draws.error)
            sigma = true / real
            seen = listed * sigma
        else:
            sigma = true * self.errors.draw(draws.error)
            seen = NOISE[self.noise](true, sigma, draws.noise)
        return Photometry(seen, sigma, self._observed(draws, xp), given)

    def _given(self, draws: Draws, simulated: Array | None, xp: Any) -> Array:
        """Return what is given (N, K)."""
        columns = dict(zip(self.scale.simulated, () if simulated is None else simulated.T, strict=True))
        for k, place in zip(self.scale.drawn, draws.given.T, strict=True):
            quantity = self.scale.given[k]
            columns[k] = quantity.low + (quantity.high - quantity.low) * place
        return xp.stack([columns[k] for k in sorted(columns)], axis=1) if columns else draws.given

    def _observed(self, draws: Draws, xp: Any) -> Array:
        kept = draws.missing >= self.missing
        in_set = kept | True
        place = draws.band_set * max(1, len(self.band_sets))
        if self.band_sets:
            sets = _table(self.band_sets, xp, kept.device)
            in_set = sets[xp.astype(place, xp.int64)]
        if self.subset is not None:
            low, high = self.subset
            size = low + xp.floor((place % 1) * (high - low + 1))
            # What decides whether a band is lost is uniform among those that are not, and as good an order as any.
            order = xp.argsort(xp.argsort(xp.where(in_set, -draws.missing, 1.0), axis=1), axis=1)
            in_set = in_set & (order < size[:, None])
        observed = kept & in_set
        enough = xp.sum(xp.astype(observed, xp.int64), axis=1) >= 2
        return xp.where(enough[:, None], observed, in_set)


@lru_cache(maxsize=8)
def _table(sets: tuple[tuple[bool, ...], ...], xp: Any, device: Any) -> Array:
    """Return band sets (S, B) on a device; cached, because copying them in every call makes a GPU wait for its host."""
    return xp.asarray(np.array(sets), device=device)
