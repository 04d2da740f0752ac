"""What an estimator was trained on, and which observations lie outside of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.observe import Observer, Photometry
from hpcflow.posterior.likelihood import LAWS
from hpcflow.store.flags import LEAST_BANDS, MOST_SCATTER, Flag, Reason

__all__ = ["Support"]

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Support:
    """The range of everything that was drawn in training.

    Args:
        observer: distances, errors, band sets.
        faintest, brightest: (B,) log10 of the fluxes at 10 pc, in mJy, that any mass in the prior shows.
    """

    observer: Observer
    faintest: NDArray[np.floating]
    brightest: NDArray[np.floating]

    @classmethod
    def of_library(cls, observer: Observer, flux: NDArray[np.floating], log_mass: tuple[float, float]) -> "Support":
        """Return the support of a library's unit-mass fluxes (n, B) and the bounds of log_mass."""
        log_flux = np.log10(flux)
        return cls(observer, log_flux.min(axis=0) + log_mass[0], log_flux.max(axis=0) + log_mass[1])

    def plain(self) -> dict[str, Any]:
        """Return the support as JSON values."""
        return {
            "observer": vars(self.observer),
            "faintest": self.faintest.tolist(),
            "brightest": self.brightest.tolist(),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Support":
        """Return the support that `plain` described."""
        observer = {key: _tuple(value) for key, value in plain["observer"].items()}
        return cls(Observer(**observer), np.array(plain["faintest"]), np.array(plain["brightest"]))

    def flags(self, photometry: Photometry, reason: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Return the flags (N,) that photometry deserves before anything is inferred.

        Args:
            photometry: with the systematic in its errors.
            reason: (N, B) why bands are not used.
        """
        flux, sigma, observed, distance = photometry
        errors = self.observer.errors
        near, far = self.observer.distance_mpc
        with np.errstate(invalid="ignore", divide="ignore"):
            log_sigma, dimming = np.log(sigma), -2 * np.log(distance * 1e5)[:, None]
            by_errors = log_sigma - np.log(errors.high), log_sigma - np.log(errors.low)
        by_fluxes = np.log(10) * self.faintest + dimming, np.log(10) * self.brightest + dimming
        said = {
            Flag.MISSING_BAND: np.isin(reason, [Reason.NO_COVERAGE, Reason.NO_BAND]).any(axis=1)
            & self._lacks(observed),
            Flag.NOT_DETECTED: np.isin(reason, [Reason.NOT_DETECTED, Reason.NEGATIVE]).any(axis=1),
            Flag.BAD_VALUE: np.isin(reason, [Reason.NOT_FINITE, Reason.BAD_ERROR]).any(axis=1),
            Flag.TOO_FEW_BANDS: observed.sum(axis=1) < LEAST_BANDS,
            Flag.ERROR_OUTSIDE_TRAINING: self._outside(photometry, *by_errors),
            Flag.DISTANCE_OUTSIDE_TRAINING: ~((distance >= near) & (distance <= far)),
            Flag.FLUX_OUTSIDE_TRAINING: self._outside(photometry, *by_fluxes),
            Flag.BANDS_OUTSIDE_TRAINING: ~self._trained(observed),
            Flag.UPPER_LIMIT: (observed & (flux < sigma)).any(axis=1) & (self.observer.noise == "normal"),
        }
        return sum((np.where(rows, int(flag), 0) for flag, rows in said.items()), np.zeros(len(flux), int)).astype(
            np.int32
        )

    def _outside(self, photometry: Photometry, faintest: Floats, brightest: Floats) -> NDArray[np.bool_]:
        """Whether in some band of clusters (N,) no true flux, from ln f (N, B) to ln f, explains what was observed.

        One does if noise had to move it by `MOST_SCATTER` standard deviations at most. The pull falls as the true flux
        rises (log-normal: while errors are below 100 %, as training's are), so some flux does unless both ends are too
        faint or both too bright.
        """
        flux, sigma, observed, _ = photometry
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            pulls = [LAWS[self.observer.noise].pull(end, flux, sigma) for end in (faintest, brightest)]
            explained = (np.minimum(*pulls) <= MOST_SCATTER) & (np.maximum(*pulls) >= -MOST_SCATTER)
        return np.asarray((observed & ~explained).any(axis=1))  # no number explains nothing

    def _sets(self, bands: int) -> NDArray[np.bool_]:
        return np.array(self.observer.band_sets or [[True] * bands], dtype=bool)

    def _lacks(self, observed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether clusters (N,) have no whole band set: bands of other instruments are not missed."""
        return np.asarray(~np.any([(observed | ~have).all(axis=1) for have in self._sets(observed.shape[1])], axis=0))

    def _trained(self, observed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether the pattern of observed bands (N, B) is one that was drawn in training."""
        sets = self._sets(observed.shape[1])
        if self.observer.missing > 0:
            return np.asarray(np.any([(have | ~observed).all(axis=1) for have in sets], axis=0))
        return np.asarray(np.any([(have == observed).all(axis=1) for have in sets], axis=0))


def _tuple(value: Any) -> Any:
    return tuple(_tuple(v) for v in value) if isinstance(value, list) else value
