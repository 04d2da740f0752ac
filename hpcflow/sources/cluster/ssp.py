"""The `ssp` simulator: SSP tables seen through a dust screen and filter curves, many rows at once.

Per solar mass formed and at 10 pc, band b of a population of age t behind a screen E is

    F_b(t, E) = sum_j w_bj S_j(t) 10^(-0.4 E (R_V a_j + b_j))     [mJy]

with S the spectrum on the table's wavelength nodes and w the weights of `filters.band_weights`. S is linear
in t between the table's ages (`ages`) and in log Z between its metallicities, so F is too; in E it is a
polynomial, cell by cell (`series`), or in E and R_V where R_V is free and its range is known (`surface`). That
makes F cheap. Elsewhere the sum itself is computed. Gas, where there is any, adds its own light in the same way, times
the share of the ionising light that it absorbs (`gas`).
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
from hpcflow.sources.cluster.band import Band, weigh
from hpcflow.sources.cluster.engine import Engine
from hpcflow.sources.cluster.gas import StarsAndGas
from hpcflow.sources.cluster.gas_table import GasTable
from hpcflow.sources.cluster.series import EBV_MAX, Series
from hpcflow.sources.cluster.surface import Surface, tabulate

__all__ = ["GAS", "Ages", "SspSimulator"]

Floats = NDArray[np.floating]

STARS = ("log_age", "ebv", "r_v", "metallicity")
GAS = ("covering_factor", "log_u")
DEFAULTS = {"r_v": 3.1, "covering_factor": 0.0, "log_u": -3.0}


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
        parameters: names of theta's columns, out of log_age [dex(yr)], ebv [mag], r_v, metallicity (mass
            fraction of metals) where there are several tables, and where there is gas, covering_factor (share of the
            ionising light that it absorbs) and log_u (its ionisation parameter).
        fixed: values of those among ebv, r_v, covering_factor and log_u that are not columns.
        ages: "continuous", or "cigale" where the age n Myr stands for the mean over t = n-0.9, n-0.8 .. n Myr
            and other ages are rounded to the nearest such bin.
        extinction: name of the law, see `hpcflow.model.extinction`.
        bounds: the prior's bounds of the columns; a free r_v is fast between its bounds, and takes the sum over
            wavelengths beyond them or if it has none.
        threads: number that rows in numpy are shared out to.
        gas: what the stars ionise; None if there is none.

    Raises:
        InputError: if a parameter is unknown, a needed one has no value, or the gas is not known at one.
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
        gas: GasTable | None = None,
    ) -> None:
        tables = [tables] if isinstance(tables, SspTable) else list(tables)
        self.parameters, self.bands = parameters, tuple(curves)
        self.reasons: Counter[str] = Counter()
        self._inputs = STARS + GAS if gas else STARS
        own = {name: value for name, value in DEFAULTS.items() if name in self._inputs}
        self._fixed, self._threads = own | dict(fixed or {}), threads
        _refuse_parameters(parameters, self._fixed, self._inputs, several=len(tables) > 1)
        self.provenance = {
            "simulator": "ssp",
            "ages": ages,
            "extinction": extinction,
            "fixed": ", ".join(f"{k}={v:g}" for k, v in sorted(self._fixed.items()) if k not in parameters),
            "ssp_sha256": digest_tables(tables),
            "filters_sha256": ", ".join(f"{band}={curve.digest}" for band, curve in curves.items()),
            **({"gas_sha256": gas.digest} if gas else {}),
        }
        r_v, bounds = None if "r_v" in parameters else float(self._fixed["r_v"]), bounds or {}
        axis, z = AgeAxis(tables[0].t_myr, ages), [table.metallicity for table in tables]
        log_z = np.log10(z) if len(z) > 1 else np.zeros(1)
        weighed = [weigh(tables, axis, curve, extinction) for curve in curves.values()]
        self._stars = Engine(axis, [log_z], weighed, _polynomials(weighed, r_v, bounds))
        self._engine: Engine | StarsAndGas = self._stars
        if gas:
            log_u = gas.log_u if "log_u" in parameters else np.array([self._fixed["log_u"]])
            axis, weighed = gas.weigh(tables, log_u, ages, list(curves.values()), extinction)
            shining = Engine(axis, [log_z, log_u], weighed, _polynomials(weighed, r_v, bounds))
            self._engine = StarsAndGas(self._stars, shining, log_u)
        self._engines: dict[tuple[str, str], Engine | StarsAndGas] = {}

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
        """Return fluxes (N, B) of stars by the sum over wavelengths, for ages [Myr], E(B-V), R_V and Z (N,) each."""
        return self._stars.integrate(age_myr, ebv, r_v, np.ones(len(age_myr)) if metallicity is None else metallicity)

    def _evaluate(self, engine: Engine | StarsAndGas, theta: Array) -> Array:
        return engine(*(self._column(theta, name) for name in self._inputs))

    def _column(self, theta: Array, name: str) -> Array:
        if name in self.parameters:
            return theta[:, self.parameters.index(name)]
        value = self._fixed.get(name, 1.0)
        return array_namespace(theta).full(len(theta), value, dtype=theta.dtype, device=device(theta))

    def _on_device_of(self, theta: Array) -> tuple[Engine | StarsAndGas, Array]:
        """Return the engine on theta's device, moved there once, and theta in that engine's precision."""
        xp, place = array_namespace(theta), device(theta)
        move, key = mover(xp, place), (xp.__name__, str(place))
        if key not in self._engines:
            self._engines[key] = moved(self._engine, move)
        return self._engines[key], xp.astype(theta, move(np.ones(1)).dtype)


def _polynomials(
    bands: Sequence[Band], r_v: float | None, bounds: Mapping[str, tuple[float, float]]
) -> Series | Surface | None:
    """Return what stands for the sum over wavelengths; None where R_V is free and has no bounds."""
    if r_v is not None:
        return Series(bands, r_v)
    return tabulate(bands, bounds.get("ebv", (0.0, EBV_MAX))[1], bounds["r_v"]) if "r_v" in bounds else None


def _refuse_parameters(
    parameters: tuple[str, ...], fixed: Mapping[str, float], inputs: Sequence[str], several: bool
) -> None:
    needed = [name for name in inputs if name != "metallicity" or several]
    if unknown := set(parameters) - set(needed):
        raise InputError(f"simulator ssp has no parameter {', '.join(sorted(unknown))}; free ones: {', '.join(needed)}")
    fixable = [name for name in inputs if name not in ("log_age", "metallicity")]
    if unknown := set(fixed) - {"log_age", *fixable}:
        raise InputError(
            f"simulator ssp has no parameter {', '.join(sorted(unknown))} to be fixed; it has {', '.join(fixable)}"
        )
    if missing := set(needed) - set(parameters) - set(fixed):
        raise InputError(f"simulator ssp needs {', '.join(sorted(missing))}: give it bounds or a fixed value")
