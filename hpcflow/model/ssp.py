"""The `ssp` simulator: an SSP table seen through a dust screen and filter curves, many rows at once.

Per solar mass formed and at 10 pc, band b of a population of age t behind a screen E is

    F_b(t, E) = sum_j w_bj S_j(t) 10^(-0.4 E (R_V a_j + b_j))     [mJy]

with S the spectrum on the table's wavelength nodes and w the weights of `filters.band_weights`. S is linear
in t between the table's ages, so F is too; in E, once the band's mean extinction is divided out, F is so
smooth that a short Chebyshev series is exact to 1e-13. Both make F cheap: `SspSimulator` evaluates that
series, and falls back on the sum itself where R_V is free.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from hpcflow.errors import InputError
from hpcflow.model.extinction import LAWS
from hpcflow.model.filters import Curve, band_weights
from hpcflow.model.tables import SspTable

__all__ = ["Ages", "SspSimulator"]

Floats = NDArray[np.floating]
Ages = Literal["continuous", "cigale"]

BLOCK = 4096  # rows evaluated at once: a block's temporaries stay in the processor's cache
DEGREE = 22
EBV_MAX = 2.0  # the Chebyshev series covers E(B-V) from 0 to this; beyond it the sum itself is taken
SUBSTEPS = 10  # CIGALE averages its SSP over tenths of a Myr


@dataclass(frozen=True)
class _Band:
    """One band's weighted spectra at every table age (T, J), and the screen on the same nodes (J,)."""

    spectra: Floats
    a: Floats
    b: Floats

    def flux(self, spectra: Floats, ebv: Floats, r_v: Floats) -> Floats:
        """Sum already weighted spectra (N, J) behind screens of E(B-V) and R_V (N,)."""
        extinction = ebv[:, None] * (r_v[:, None] * self.a + self.b)
        return np.einsum("nj,nj->n", spectra, 10 ** (-0.4 * extinction))


class SspSimulator:
    """Simulate the fluxes of simple stellar populations behind a foreground screen.

    Calling it with theta (N, D), columns as `parameters`, returns fluxes (N, B) in mJy at 10 pc per solar
    mass formed. A row that cannot be computed (not finite, E(B-V) < 0, an age outside the table) is NaN.

    Args:
        table: spectra of one metallicity.
        curves: filter curve of each band.
        parameters: names of theta's columns, out of log_age [dex(yr)], ebv [mag], r_v.
        fixed: values of those among ebv and r_v that are not columns.
        ages: "continuous", or "cigale" where the age n Myr stands for the mean over t = n-0.9, n-0.8 .. n Myr
            and other ages are rounded to the nearest such bin.
        extinction: name of the law, see `hpcflow.model.extinction`.

    Raises:
        InputError: if a parameter is unknown or one that is needed has no value.
    """

    def __init__(
        self,
        table: SspTable,
        curves: Mapping[str, Curve],
        parameters: tuple[str, ...] = ("log_age", "ebv"),
        fixed: Mapping[str, float] | None = None,
        ages: Ages = "continuous",
        extinction: str = "odonnell94",
    ) -> None:
        self.parameters, self.bands = parameters, tuple(curves)
        self.reasons: Counter[str] = Counter()
        self._fixed = {"r_v": 3.1} | dict(fixed or {})
        needed = {"log_age", "ebv", "r_v"}
        if unknown := set(parameters) - needed:
            raise InputError(
                f"simulator ssp has no parameter {', '.join(sorted(unknown))}; free ones: log_age, ebv, r_v"
            )
        if unknown := set(self._fixed) - needed:
            raise InputError(
                f"simulator ssp has no parameter {', '.join(sorted(unknown))} to be fixed; it has ebv, r_v"
            )
        if missing := needed - set(parameters) - set(self._fixed):
            raise InputError(f"simulator ssp needs {', '.join(sorted(missing))}: give it bounds or a fixed value")

        self.provenance = {
            "simulator": "ssp",
            "ages": ages,
            "extinction": extinction,
            "fixed": ", ".join(f"{k}={v:g}" for k, v in sorted(self._fixed.items()) if k not in parameters),
            "ssp_sha256": table.digest,
            "filters_sha256": ", ".join(f"{band}={curve.digest}" for band, curve in curves.items()),
        }
        self._t, self._ages = table.t_myr, ages
        self._bands = [self._band(table, curve, extinction) for curve in curves.values()]
        self._slope, self._series = self._chebyshev(float(self._fixed["r_v"]))
        if ages == "cigale":  # one row of the series per bin instead of ten pairs of ages per cluster
            bins = np.arange(1, int(self._t[-1]) + 1)
            self._series = self._mix(self._series, *self._bracket(bins.astype(float)))

    def __call__(self, theta: Floats) -> Floats:
        """Return fluxes (N, B) of the rows of theta (N, D), in float64."""
        theta = np.asarray(theta, dtype=np.float64)
        flux = np.full((len(theta), len(self.bands)), np.nan)
        age, ebv, r_v = (self._column(theta, name) for name in ("log_age", "ebv", "r_v"))
        with np.errstate(over="ignore", invalid="ignore"):
            age = 10 ** (age - 6)
        if self._ages == "cigale":
            age = np.rint(age)
        first = 1.0 if self._ages == "cigale" else self._t[0]
        with np.errstate(invalid="ignore"):
            good = np.flatnonzero(
                (age >= first) & (age <= self._t[-1]) & (ebv >= 0) & (r_v > 0) & np.isfinite(ebv * r_v)
            )
            fast = "r_v" not in self.parameters
            series = good[ebv[good] <= EBV_MAX] if fast else good[:0]
            direct = good[ebv[good] > EBV_MAX] if fast else good
        for start in range(0, len(series), BLOCK):
            rows = series[start : start + BLOCK]
            flux[rows] = self._evaluate_series(age[rows], ebv[rows])
        for start in range(0, len(direct), BLOCK):
            rows = direct[start : start + BLOCK]
            flux[rows] = self.integrate(age[rows], ebv[rows], r_v[rows])
        lost = len(theta) - len(good)
        self.reasons = Counter({"a parameter is out of range": lost} if lost else {})
        return flux

    def integrate(self, age_myr: Floats, ebv: Floats, r_v: Floats) -> Floats:
        """Return fluxes (N, B) by the sum over wavelengths itself, for ages [Myr], E(B-V) and R_V (N,) each."""
        index, weight = self._bracket(age_myr)
        return np.stack([band.flux(self._mix(band.spectra, index, weight), ebv, r_v) for band in self._bands], axis=1)

    def _column(self, theta: Floats, name: str) -> Floats:
        if name in self.parameters:
            return theta[:, self.parameters.index(name)]
        return np.full(len(theta), self._fixed[name])

    def _band(self, table: SspTable, curve: Curve, extinction: str) -> _Band:
        weights = band_weights(curve, table.wl_nm)
        used = np.flatnonzero(weights)
        a, b = LAWS[extinction](table.wl_nm[used])
        if not np.isfinite(a).all():
            raise InputError(
                f"extinction {extinction} is not defined everywhere in a band; it holds from 100 to 3333 nm"
            )
        return _Band((table.spec[used] * weights[used, None]).T.copy(), a, b)

    def _chebyshev(self, r_v: float) -> tuple[Floats, Floats]:
        """Return each band's mean extinction (B,) in mag per E(B-V), and the series (T, B, K) of what is left."""
        ebv = (chebyshev.chebpts1(DEGREE + 1) + 1) / 2 * EBV_MAX
        vandermonde = chebyshev.chebvander(2 * ebv / EBV_MAX - 1, DEGREE)
        slopes, series = [], []
        for band in self._bands:
            curve = r_v * band.a + band.b
            slope = float(np.average(curve, weights=np.abs(band.spectra).mean(axis=0)))
            screened = band.spectra @ 10 ** (-0.4 * np.outer(curve - slope, ebv))
            slopes.append(slope)
            series.append(np.linalg.solve(vandermonde, screened.T).T)
        return np.array(slopes), np.stack(series, axis=1)

    def _evaluate_series(self, age_myr: Floats, ebv: Floats) -> Floats:
        if self._ages == "cigale":
            series = self._series[age_myr.astype(int) - 1]
        else:
            series = self._mix(self._series, *self._bracket(age_myr))
        basis = chebyshev.chebvander(2 * ebv / EBV_MAX - 1, DEGREE)
        return np.einsum("nbk,nk->nb", series, basis) * 10 ** (-0.4 * ebv[:, None] * self._slope)

    def _bracket(self, age_myr: Floats) -> tuple[NDArray[np.intp], Floats]:
        """Return indices (N, M) of table ages and their weights (N, M) that make up each age's spectrum."""
        age = np.asarray(age_myr)[:, None]
        if self._ages == "cigale":
            age = age - np.arange(SUBSTEPS) / SUBSTEPS
        # Below the table's first age CIGALE keeps the first spectrum; continuous ages never get there.
        age = np.maximum(age, self._t[0])
        left = np.clip(np.searchsorted(self._t, age, side="right") - 1, 0, len(self._t) - 2)
        share = (age - self._t[left]) / (self._t[left + 1] - self._t[left])
        weight = np.concatenate([1 - share, share], axis=1) / age.shape[1]
        return np.concatenate([left, left + 1], axis=1), weight

    @staticmethod
    def _mix(values: Floats, index: NDArray[np.intp], weight: Floats) -> Floats:
        """Weighted sum over table ages of values (T, ...), giving (N, ...)."""
        shape = (len(index),) + (1,) * (values.ndim - 1)
        mixed = weight[:, 0].reshape(shape) * values[index[:, 0]]
        for m in range(1, index.shape[1]):
            mixed += weight[:, m].reshape(shape) * values[index[:, m]]
        return mixed
