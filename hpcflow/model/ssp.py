"""The `ssp` simulator: SSP tables seen through a dust screen and filter curves, many rows at once.

Per solar mass formed and at 10 pc, band b of a population of age t behind a screen E is

    F_b(t, E) = sum_j w_bj S_j(t) 10^(-0.4 E (R_V a_j + b_j))     [mJy]

with S the spectrum on the table's wavelength nodes and w the weights of `filters.band_weights`. S is linear
in t between the table's ages (`ages`) and in log Z between its metallicities, so F is too; in E it is a
polynomial, cell by cell (`series`). That makes F cheap. Where R_V is free the sum itself is taken.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpcflow.errors import InputError
from hpcflow.model.ages import AgeAxis, Ages
from hpcflow.model.extinction import LAWS
from hpcflow.model.filters import Curve, band_weights
from hpcflow.model.series import EBV_MAX, Series
from hpcflow.model.tables import SspTable, digest_tables

__all__ = ["Ages", "SspSimulator"]

Floats = NDArray[np.floating]
Indices = NDArray[np.intp]

BLOCK = 4096  # rows that are summed over wavelengths at once
FREE = ("log_age", "ebv", "r_v", "metallicity")


@dataclass(frozen=True)
class _Band:
    """One band's weighted spectra (R, J), all ages of one metallicity after the other, and the screen there (J,)."""

    spectra: Floats
    a: Floats
    b: Floats

    def screened(self, ebv: Floats, r_v: float) -> Floats:
        """Return the fluxes (R, E) of all spectra behind screens of E(B-V) (E,)."""
        return self.spectra @ 10 ** (-0.4 * np.outer(r_v * self.a + self.b, ebv))

    def slope(self, r_v: float) -> float:
        """Return the mean extinction of the spectra in mag per E(B-V)."""
        return float(np.average(r_v * self.a + self.b, weights=np.abs(self.spectra).mean(axis=0)))

    def flux(self, index: Indices, weight: Floats, ebv: Floats, r_v: Floats) -> Floats:
        """Return the fluxes (N,) of mixtures of spectra, index and weight (N, M), behind screens of E(B-V) and R_V."""
        spectra = np.einsum("nm,nmj->nj", weight, self.spectra[index])
        extinction = ebv[:, None] * (r_v[:, None] * self.a + self.b)
        return np.einsum("nj,nj->n", spectra, 10 ** (-0.4 * extinction))


class SspSimulator:
    """Simulate the fluxes of simple stellar populations behind a foreground screen.

    Calling it with theta (N, D), columns as `parameters`, returns fluxes (N, B) in mJy at 10 pc per solar
    mass formed. A row that cannot be computed (not finite, E(B-V) < 0, an age or metallicity outside the
    tables) is NaN.

    Args:
        tables: spectra of one metallicity, or of several, rising, on the same ages and wavelengths.
        curves: filter curve of each band.
        parameters: names of theta's columns, out of log_age [dex(yr)], ebv [mag], r_v, and metallicity (mass
            fraction of metals) where there are several tables.
        fixed: values of those among ebv and r_v that are not columns.
        ages: "continuous", or "cigale" where the age n Myr stands for the mean over t = n-0.9, n-0.8 .. n Myr
            and other ages are rounded to the nearest such bin.
        extinction: name of the law, see `hpcflow.model.extinction`.

    Raises:
        InputError: if a parameter is unknown or one that is needed has no value.
    """

    def __init__(
        self,
        tables: SspTable | Sequence[SspTable],
        curves: Mapping[str, Curve],
        parameters: tuple[str, ...] = ("log_age", "ebv"),
        fixed: Mapping[str, float] | None = None,
        ages: Ages = "continuous",
        extinction: str = "odonnell94",
    ) -> None:
        tables = [tables] if isinstance(tables, SspTable) else list(tables)
        self.parameters, self.bands = parameters, tuple(curves)
        self.reasons: Counter[str] = Counter()
        self._fixed = {"r_v": 3.1} | dict(fixed or {})
        _refuse_parameters(parameters, self._fixed, several=len(tables) > 1)
        self.provenance = {
            "simulator": "ssp",
            "ages": ages,
            "extinction": extinction,
            "fixed": ", ".join(f"{k}={v:g}" for k, v in sorted(self._fixed.items()) if k not in parameters),
            "ssp_sha256": digest_tables(tables),
            "filters_sha256": ", ".join(f"{band}={curve.digest}" for band, curve in curves.items()),
        }
        self._axis = AgeAxis(tables[0].t_myr, ages)
        self._log_z = np.log10([table.metallicity for table in tables]) if len(tables) > 1 else np.zeros(1)
        self._bands = [self._band(tables, curve, extinction) for curve in curves.values()]
        self._ages = len(self._bands[0].spectra) // len(tables)
        if "r_v" not in parameters:
            r_v = float(self._fixed["r_v"])
            screened = [lambda ebv, band=band: band.screened(ebv, r_v) for band in self._bands]
            self._series = Series(screened, [band.slope(r_v) for band in self._bands])

    def __call__(self, theta: Floats) -> Floats:
        """Return fluxes (N, B) of the rows of theta (N, D), in float64."""
        theta = np.asarray(theta, dtype=np.float64)
        flux = np.full((len(theta), len(self.bands)), np.nan)
        log_age, ebv, r_v, z = (self._column(theta, name) for name in FREE)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            age, log_z = np.exp(np.log(10) * (log_age - 6)), self._height(z)
            # CIGALE's bins are those of whole Myr.
            rounded = np.rint(age) if self._axis.first == 1.0 and self.provenance["ages"] == "cigale" else age
            good = (rounded >= self._axis.first) & (rounded <= self._axis.last) & (ebv >= 0) & (r_v > 0)
            good &= np.isfinite(ebv * r_v) & (log_z >= self._log_z[0]) & (log_z <= self._log_z[-1])
            fast = good & (ebv <= EBV_MAX) if "r_v" not in self.parameters else np.zeros(len(theta), bool)
        if fast.any():
            rows = slice(None) if fast.all() else np.flatnonzero(fast)
            flux[rows] = self._series(*self._corners(age[rows], log_z[rows]), ebv[rows])
        direct = np.flatnonzero(good & ~fast)
        for start in range(0, len(direct), BLOCK):
            rows = direct[start : start + BLOCK]
            flux[rows] = self._sum(*self._corners(age[rows], log_z[rows]), ebv[rows], r_v[rows])
        lost = len(theta) - int(good.sum())
        self.reasons = Counter({"a parameter is out of range": lost} if lost else {})
        return flux

    def integrate(self, age_myr: Floats, ebv: Floats, r_v: Floats, metallicity: Floats | None = None) -> Floats:
        """Return fluxes (N, B) by the sum over wavelengths itself, for ages [Myr], E(B-V), R_V and Z (N,) each."""
        log_z = self._height(np.ones(len(age_myr)) if metallicity is None else metallicity)
        return self._sum(*self._corners(age_myr, log_z), ebv, r_v)

    def _sum(self, index: Indices, weight: Floats, ebv: Floats, r_v: Floats) -> Floats:
        return np.stack([band.flux(index, weight, ebv, r_v) for band in self._bands], axis=1)

    def _column(self, theta: Floats, name: str) -> Floats:
        if name in self.parameters:
            return theta[:, self.parameters.index(name)]
        return np.full(len(theta), self._fixed.get(name, 1.0))

    def _height(self, metallicity: Floats) -> Floats:
        """Return log Z, or zeros where there is but one table."""
        return np.log10(metallicity) if len(self._log_z) > 1 else np.zeros(len(metallicity))

    def _corners(self, age_myr: Floats, log_z: Floats) -> tuple[Indices, Floats]:
        """Return indices (N, M) of the spectra around each age and metallicity, and their weights (N, M)."""
        left, share = self._axis.bracket(age_myr)
        index, weight = np.stack([left, left + 1], axis=1), np.stack([1 - share, share], axis=1)
        if len(self._log_z) == 1:
            return index, weight
        below = np.clip(np.searchsorted(self._log_z, log_z, side="right") - 1, 0, len(self._log_z) - 2)
        up = ((log_z - self._log_z[below]) / (self._log_z[below + 1] - self._log_z[below]))[:, None]
        index = index + (below * self._ages)[:, None]
        return np.hstack([index, index + self._ages]), np.hstack([weight * (1 - up), weight * up])

    def _band(self, tables: Sequence[SspTable], curve: Curve, extinction: str) -> _Band:
        wl_nm = tables[0].wl_nm
        weights = band_weights(curve, wl_nm)
        used = np.flatnonzero(weights)
        a, b = LAWS[extinction](wl_nm[used])
        if not np.isfinite(a).all():
            raise InputError(
                f"extinction {extinction} is not defined everywhere in a band; it holds from 100 to 3333 nm"
            )
        spectra = [self._axis.extend((table.spec[used] * weights[used, None]).T) for table in tables]
        return _Band(np.concatenate(spectra), a, b)


def _refuse_parameters(parameters: tuple[str, ...], fixed: Mapping[str, float], several: bool) -> None:
    needed = FREE if several else FREE[:3]
    if unknown := set(parameters) - set(needed):
        raise InputError(f"simulator ssp has no parameter {', '.join(sorted(unknown))}; free ones: {', '.join(needed)}")
    if unknown := set(fixed) - set(FREE[:3]):
        raise InputError(f"simulator ssp has no parameter {', '.join(sorted(unknown))} to be fixed; it has ebv, r_v")
    if missing := set(needed) - set(parameters) - set(fixed):
        raise InputError(f"simulator ssp needs {', '.join(sorted(missing))}: give it bounds or a fixed value")
