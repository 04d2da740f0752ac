"""The `ssp` simulator: SSP tables seen through a dust screen and filter curves, many rows at once.

Per solar mass formed and at 10 pc, band b of a population of age t behind a screen E is

    F_b(t, E) = sum_j w_bj S_j(t) 10^(-0.4 E (R_V a_j + b_j))     [mJy]

with S the spectrum on the table's wavelength nodes and w the weights of `filters.band_weights`. S is linear
in t between the table's ages (`ages`) and in log Z between its metallicities, so F is too; in E it is a
polynomial, cell by cell (`series`), or in E and R_V where R_V is free and its range is known (`surface`). That
makes F cheap. Elsewhere the sum itself is computed.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj, is_numpy_array
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.model.arrays import Array, moved, mover
from hpcflow.model.filters import Curve
from hpcflow.model.tables import SspTable, digest_tables
from hpcflow.model.threads import in_threads
from hpcflow.sources.cluster.ages import AgeAxis, Ages
from hpcflow.sources.cluster.band import weigh
from hpcflow.sources.cluster.engine import Engine
from hpcflow.sources.cluster.series import EBV_MAX, Series
from hpcflow.sources.cluster.surface import Surface, tabulate

__all__ = ["Ages", "SspSimulator"]

Floats = NDArray[np.floating]

FREE = ("log_age", "ebv", "r_v", "metallicity")


class SspSimulator:
    """Simulate the fluxes of simple stellar populations behind a foreground screen.

    Calling it with theta (N, D), columns as `parameters`, returns fluxes (N, B) in mJy at 10 pc per solar
    mass formed. A row that cannot be computed (not finite, E(B-V) < 0, an age or metallicity outside the
    tables) is NaN.

    If theta is a torch tensor, the fluxes are computed on its device and returned as a tensor, in float64 where the
    device has it.

    Args:
        tables: spectra of one metallicity, or of several in ascending order, on the same ages and wavelengths.
        curves: filter curve of each band.
        parameters: names of theta's columns, out of log_age [dex(yr)], ebv [mag], r_v, and metallicity (mass
            fraction of metals) where there are several tables.
        fixed: values of those among ebv and r_v that are not columns.
        ages: "continuous", or "cigale" where the age n Myr stands for the mean over t = n-0.9, n-0.8 .. n Myr
            and other ages are rounded to the nearest such bin.
        extinction: name of the law, see `hpcflow.model.extinction`.
        bounds: the prior's bounds of the columns; a free r_v is fast between its bounds, and takes the sum over
            wavelengths beyond them or if it has none.
        threads: number that rows in numpy are shared out to.

    Raises:
        InputError: if a parameter is unknown, or a needed one has no value.
    """

    def __init__(
        self,
        tables: SspTable | Sequence[SspTable],
        curves: Mapping[str, Curve],
        parameters: tuple[str, ...] = ("log_age", "ebv"),
        fixed: Mapping[str, float] | None = None,
        ages: Ages = "continuous",
        extinction: str = "odonnell94",
        bounds: Mapping[str, tuple[float, float]] | None = None,
        threads: int = 1,
    ) -> None:
        tables = [tables] if isinstance(tables, SspTable) else list(tables)
        self.parameters, self.bands = parameters, tuple(curves)
        self.reasons: Counter[str] = Counter()
        self._fixed, self._threads = {"r_v": 3.1} | dict(fixed or {}), threads
        _refuse_parameters(parameters, self._fixed, several=len(tables) > 1)
        self.provenance = {
            "simulator": "ssp",
            "ages": ages,
            "extinction": extinction,
            "fixed": ", ".join(f"{k}={v:g}" for k, v in sorted(self._fixed.items()) if k not in parameters),
            "ssp_sha256": digest_tables(tables),
            "filters_sha256": ", ".join(f"{band}={curve.digest}" for band, curve in curves.items()),
        }
        axis = AgeAxis(tables[0].t_myr, ages)
        log_z = np.log10([table.metallicity for table in tables]) if len(tables) > 1 else np.zeros(1)
        weighed = [weigh(tables, axis, curve, extinction) for curve in curves.values()]
        quick: Series | Surface | None = None
        if "r_v" not in parameters:
            quick = Series(weighed, float(self._fixed["r_v"]))
        elif bounds and "r_v" in bounds:
            quick = tabulate(weighed, bounds.get("ebv", (0.0, EBV_MAX))[1], bounds["r_v"])
        self._engine = Engine(axis, log_z, weighed, quick)
        self._engines: dict[tuple[str, str], Engine] = {}

    def __call__(self, theta: Array) -> Array:
        """Return fluxes (N, B) of the rows of theta (N, D), in float64."""
        if is_array_api_obj(theta) and not is_numpy_array(theta):
            flux = self._evaluate(*self._on_device_of(theta))
        else:
            theta = np.asarray(theta, dtype=np.float64)
            flux = in_threads(lambda rows: self._evaluate(self._engine, rows), theta, self._threads)
        lost = int(array_namespace(flux).isnan(flux[:, 0]).sum())
        self.reasons = Counter({"a parameter is out of range": lost} if lost else {})
        return flux

    def integrate(self, age_myr: Floats, ebv: Floats, r_v: Floats, metallicity: Floats | None = None) -> Floats:
        """Return fluxes (N, B) by the sum over wavelengths itself, for ages [Myr], E(B-V), R_V and Z (N,) each."""
        return self._engine.integrate(age_myr, ebv, r_v, np.ones(len(age_myr)) if metallicity is None else metallicity)

    def _evaluate(self, engine: Engine, theta: Array) -> Array:
        return engine(*(self._column(theta, name) for name in FREE))

    def _column(self, theta: Array, name: str) -> Array:
        if name in self.parameters:
            return theta[:, self.parameters.index(name)]
        value = self._fixed.get(name, 1.0)
        return array_namespace(theta).full(len(theta), value, dtype=theta.dtype, device=device(theta))

    def _on_device_of(self, theta: Array) -> tuple[Engine, Array]:
        """Return the engine on theta's device, moved there once, and theta in that engine's precision."""
        xp, place = array_namespace(theta), device(theta)
        move, key = mover(xp, place), (xp.__name__, str(place))
        if key not in self._engines:
            self._engines[key] = moved(self._engine, move)
        return self._engines[key], xp.astype(theta, move(np.ones(1)).dtype)


def _refuse_parameters(parameters: tuple[str, ...], fixed: Mapping[str, float], several: bool) -> None:
    needed = FREE if several else FREE[:3]
    if unknown := set(parameters) - set(needed):
        raise InputError(f"simulator ssp has no parameter {', '.join(sorted(unknown))}; free ones: {', '.join(needed)}")
    if unknown := set(fixed) - set(FREE[:3]):
        raise InputError(f"simulator ssp has no parameter {', '.join(sorted(unknown))} to be fixed; it has ebv, r_v")
    if missing := set(needed) - set(parameters) - set(fixed):
        raise InputError(f"simulator ssp needs {', '.join(sorted(missing))}: give it bounds or a fixed value")
