"""The light of gas that a cluster's stars ionise: nebular continuum and lines, computed with Cloudy.

The table has the light of gas that absorbs one watt of ionising light, g(t, Z, log U), at few ages of the stars, and
the ionising light L(t, Z) at many. Gas that absorbs all of it emits L g. Between the nodes g is linear in t, log Z and
log U, and L in t and log Z.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.model.arrays import between
from hpcflow.model.extinction import LAWS
from hpcflow.model.filters import Curve, band_weights, line_weights
from hpcflow.model.tables import SspTable
from hpcflow.sources.cluster.ages import AgeAxis, Ages
from hpcflow.sources.cluster.band import Band

__all__ = ["GasTable", "load_gas"]

Floats = NDArray[np.floating]

FILE = Path(__file__).parents[2] / "data" / "nebular" / "bc03_miles_cloudy.npz"


@dataclass(frozen=True)
class GasTable:
    """Gas per watt of ionising light at ages (A,) in Myr, metallicities (Z,) and log U (U,).

    Args:
        t_myr, metallicity, log_u: the nodes, ascending.
        wl_nm: (W,) nodes of the continuum.
        continuum: (Z, U, A, W) in 1/nm.
        line_nm: (L,) wavelengths of the lines.
        lines: (Z, U, A, L) fractions of the ionising light.
        ionising_t_myr: (T,) ages of the ionising light, ascending; beyond the last there is none.
        ionising: (Z, T) ionising light in W per solar mass formed.
    """

    t_myr: Floats
    metallicity: Floats
    log_u: Floats
    wl_nm: Floats
    continuum: Floats
    line_nm: Floats
    lines: Floats
    ionising_t_myr: Floats
    ionising: Floats

    @property
    def digest(self) -> str:
        """A hash of the table's numbers, kept in every store that used it."""
        return hashlib.sha256(b"".join(getattr(self, f.name).tobytes() for f in fields(self))).hexdigest()[:16]

    def light(self, metallicity: float, log_u: float, t_myr: Floats) -> tuple[Floats, Floats]:
        """Return the continuum (T, W) in W/nm and the lines (T, L) in W per solar mass formed, if all is absorbed.

        Below the first age of the gas, g is that of the first age.

        Raises:
            InputError: if the metallicity or log U is beyond the table.
        """
        _refuse("metallicity", metallicity, self.metallicity)
        _refuse("log_u", log_u, self.log_u)
        log_z, nodes = np.log10(metallicity), np.log10(self.metallicity)
        ionising = np.interp(t_myr, self.ionising_t_myr, _at(log_z, nodes, self.ionising), right=0.0)
        t = np.clip(t_myr, self.t_myr[0], self.t_myr[-1])
        continuum, lines = (
            ionising[:, None] * _at(t, self.t_myr, _at(log_u, self.log_u, _at(log_z, nodes, g)))
            for g in (self.continuum, self.lines)
        )
        return continuum, lines

    def weigh(
        self, tables: Sequence[SspTable], log_u: Floats, ages: Ages, curves: Sequence[Curve], extinction: str
    ) -> tuple[AgeAxis, list[Band]]:
        """Return the ages at which there is gas, and the band of each curve: by log U, metallicity and age.

        Args:
            tables: of the stars, one for each metallicity.
            log_u: (K,) values that spectra are wanted at.
            ages: whether an age is an instant or a bin of CIGALE's.
            curves: of filters.
            extinction: name of the law, see `hpcflow.model.extinction`.

        Raises:
            InputError: if the stars are too old, or the gas is not known at a metallicity or log U.
        """
        t_myr = self._young(tables[0].t_myr)
        axis = AgeAxis(t_myr, ages)
        light = [np.concatenate(self.light(table.metallicity, u, t_myr), axis=1) for u in log_u for table in tables]
        spectra = np.concatenate([axis.extend(some) for some in light])
        wl_nm = np.concatenate([self.wl_nm, self.line_nm])
        bands = []
        for curve in curves:
            weights = np.concatenate([band_weights(curve, self.wl_nm), line_weights(curve, self.line_nm)])
            used = np.flatnonzero(weights)
            bands.append(Band(spectra[:, used] * weights[used], *LAWS[extinction](wl_nm[used])))
        return axis, bands

    def _young(self, t_myr: Floats) -> Floats:
        """Return the ages of stars (T,) that ionise gas, and the next one."""
        last = self.ionising_t_myr[-1]
        count = int((t_myr <= last).sum())
        if not count or len(t_myr) < 2:
            raise InputError(f"covering_factor: no stars of the SSP table are younger than {last:.0f} Myr; fix it at 0")
        return t_myr[: count + 1]


@cache
def load_gas() -> GasTable:
    """Return the gas that ships, around the stars of `bc03_miles_kroupa`.

    Raises:
        InputError: if its file was removed.
    """
    if not FILE.is_file():
        raise InputError(f"covering_factor needs {FILE}, which is gone; fix it at 0, or install hpcflow again")
    with np.load(FILE) as file:
        return GasTable(**file)


def _at(x: Floats | float, nodes: Floats, table: Floats) -> Floats:
    """Return what a table (K, ...) holds at x, one value or many (N,), linear in its first axis between nodes (K,)."""
    left, share = between(nodes, np.asarray(x))
    share = np.reshape(share, np.shape(share) + (1,) * (table.ndim - 1))
    return table[left] * (1 - share) + table[left + 1] * share


def _refuse(name: str, value: float, nodes: Floats) -> None:
    if not nodes[0] <= value <= nodes[-1]:
        raise InputError(
            f"{name} cannot be {value:g} where there is gas; its table has values from {nodes[0]:g} to {nodes[-1]:g}"
        )
