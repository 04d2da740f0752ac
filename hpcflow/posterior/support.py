"""The range of the data that an estimator was trained on, and flags for observations outside it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.observe import Observer, Photometry
from hpcflow.model.scale import Scale
from hpcflow.posterior.likelihood import LAWS
from hpcflow.sources.cluster.parameters import DISTANCE, SCALE
from hpcflow.store.flags import LEAST_BANDS, MOST_SCATTER, Flag, Reason

__all__ = ["Support"]

Floats = NDArray[np.floating]

ROUNDING = 1e-6  # relative; a systematic alone gives the smallest error of training itself


@dataclass(frozen=True)
class Support:
    """The range of fluxes, errors, given values and band sets in training.

    Args:
        observer: given values, errors and band sets of the training set.
        faintest, brightest: (B,) log10 of the faintest and brightest fluxes, in mJy, over the prior, before they fall
            with what is given (for clusters, at 10 pc).
        unseen: (B,) which bands have a filter that the flow was not trained with; none if None.
    """

    observer: Observer
    faintest: NDArray[np.floating]
    brightest: NDArray[np.floating]
    unseen: NDArray[np.bool_] | None = None

    @classmethod
    def of_library(cls, observer: Observer, flux: NDArray[np.floating], size: tuple[float, float]) -> "Support":
        """Return the support of a library's unscaled fluxes (n, B) and the bounds of the scale's parameter."""
        log_flux, exponent = np.log10(flux), observer.scale.exponent
        return cls(observer, log_flux.min(axis=0) + exponent * size[0], log_flux.max(axis=0) + exponent * size[1])

    def plain(self) -> dict[str, Any]:
        """Return the support as JSON values."""
        return {
            "observer": asdict(self.observer),
            "faintest": self.faintest.tolist(),
            "brightest": self.brightest.tolist(),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Support":
        """Return the support described by the output of `plain`."""
        known = dict(plain["observer"])
        if "distance_mpc" in known:  # of flows from before there were other sources than clusters
            scale = SCALE.over({DISTANCE.name: tuple(known.pop("distance_mpc"))})
        else:
            scale = Scale.from_plain(known.pop("scale"))
        observer = {"scale": scale, **{key: _tuple(value) for key, value in known.items()}}
        return cls(Observer(**observer), np.array(plain["faintest"]), np.array(plain["brightest"]))

    def of_bands(self, columns: Sequence[int]) -> "Support":
        """Return the support of objects of which only some bands, in an order of their own, are ever observed.

        Args:
            columns: the columns of these bands.
        """
        columns = list(columns)
        if columns == list(range(len(self.faintest))):
            return self
        sets = self._sets(len(self.faintest))
        inside = sets[:, columns]
        uncut = inside.sum(axis=1) == sets.sum(axis=1)
        if not self.observer.may_lack:  # an object has all bands of its set
            inside = inside[uncut]
        else:  # any bands of a set, so that what is left of one may be part of another
            part = [any((other > have).any() and (other >= have).all() for other in inside) for have in inside]
            inside = inside[uncut | ~np.array(part)]
        band_sets = tuple(dict.fromkeys(tuple(bool(has) for has in have) for have in inside))
        band_sets = band_sets or ((False,) * len(columns),)  # an object with these bands alone was never seen
        return Support(replace(self.observer, band_sets=band_sets), self.faintest[columns], self.brightest[columns])

    def flags(self, photometry: Photometry, reason: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Return the flags (N,) that follow from the photometry before inference.

        Args:
            photometry: photometry with the systematic included in its errors.
            reason: (N, B) reasons why bands are not used.
        """
        flux, sigma, observed, given = photometry
        quantities = self.observer.scale.given
        low, high = (np.array([getattr(quantity, end) for quantity in quantities]) for end in ("low", "high"))
        falls = np.array([quantity.falls > 0 for quantity in quantities], dtype=bool)
        placed = (np.isfinite(given) & ((given > 0) | ~falls)).all(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            dimming = np.zeros((len(flux), 1))
            for k, quantity in enumerate(quantities):
                dimming = dimming - quantity.falls * np.log(given[:, [k]] / quantity.reference)
        by_fluxes = np.log(10) * self.faintest + dimming, np.log(10) * self.brightest + dimming
        said = {
            Flag.MISSING_BAND: np.isin(reason, [Reason.NO_COVERAGE, Reason.NO_BAND]).any(axis=1)
            & self._lacks(observed),
            Flag.NOT_DETECTED: np.isin(reason, [Reason.NOT_DETECTED, Reason.NEGATIVE, Reason.FAINT]).any(axis=1),
            Flag.BAD_VALUE: np.isin(reason, [Reason.NOT_FINITE, Reason.BAD_ERROR]).any(axis=1),
            Flag.TOO_FEW_BANDS: observed.sum(axis=1) < LEAST_BANDS,
            Flag.ERROR_OUTSIDE_TRAINING: self._errors_outside(photometry, by_fluxes[1]),
            Flag.GIVEN_OUTSIDE_TRAINING: placed & ~((given >= low) & (given <= high)).all(axis=1),
            Flag.FLUX_OUTSIDE_TRAINING: placed & self._outside(photometry, *by_fluxes),
            Flag.BANDS_OUTSIDE_TRAINING: ~self._trained(observed),
            Flag.UPPER_LIMIT: (observed & (flux < sigma)).any(axis=1) & (self.observer.noise == "normal"),
            Flag.NOT_GIVEN: ~placed,
            Flag.UNSEEN_FILTER: (observed & (False if self.unseen is None else self.unseen)).any(axis=1),
        }
        return sum((np.where(rows, int(flag), 0) for flag, rows in said.items()), np.zeros(len(flux), int)).astype(
            np.int32
        )

    def _errors_outside(self, photometry: Photometry, brightest: Floats) -> NDArray[np.bool_]:
        """Return which clusters (N,) have a band whose error is outside the range of training.

        With normal noise the range is one of listed errors, and no error is larger than training's largest for the
        `brightest` ln f (N, B). With log-normal noise it is one of true errors, and the flux can be `MOST_SCATTER`
        standard deviations from the true one.
        """
        flux, sigma, observed, _ = photometry
        low, high = self.observer.trained_errors
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            if self.observer.noise == "normal":
                error = np.where(flux > 0, sigma / flux, np.inf)
                inside = (error >= low * (1 - ROUNDING)) & (error <= high)
                absurd = np.log(sigma) - np.log(self.observer.errors.high) > brightest
                return np.asarray((observed & (absurd | ~inside)).any(axis=1))
            return self._outside(photometry, np.log(sigma) - np.log(high), np.log(sigma) - np.log(low))

    def _outside(self, photometry: Photometry, faintest: Floats, brightest: Floats) -> NDArray[np.bool_]:
        """Return which clusters (N,) have a band whose observation no true flux between two ln f (N, B) explains.

        A true flux explains an observation at most `MOST_SCATTER` standard deviations away. The pull decreases with the
        true flux (for log-normal noise, while errors are below 100 %, as in training), so some flux between the two
        ends explains the observation unless both are too faint or both too bright.
        """
        flux, sigma, observed, _ = photometry
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            pulls = [LAWS[self.observer.noise].pull(end, flux, sigma) for end in (faintest, brightest)]
            explained = (np.minimum(*pulls) <= MOST_SCATTER) & (np.maximum(*pulls) >= -MOST_SCATTER)
        return np.asarray((observed & ~explained).any(axis=1))  # NaN counts as not explained

    def _sets(self, bands: int) -> NDArray[np.bool_]:
        return np.array(self.observer.band_sets or [[True] * bands], dtype=bool)

    def _lacks(self, observed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which clusters (N,) have no complete band set; bands of other instruments do not count as missing."""
        return np.asarray(~np.any([(observed | ~have).all(axis=1) for have in self._sets(observed.shape[1])], axis=0))

    def _trained(self, observed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which clusters (N,) have a pattern of observed bands (N, B) that occurred in training."""
        sets = self._sets(observed.shape[1])
        if self.observer.may_lack:
            return np.asarray(np.any([(have | ~observed).all(axis=1) for have in sets], axis=0))
        return np.asarray(np.any([(have == observed).all(axis=1) for have in sets], axis=0))


def _tuple(value: Any) -> Any:
    return tuple(_tuple(v) for v in value) if isinstance(value, list) else value
