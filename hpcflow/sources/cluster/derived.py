"""Quantities that follow from a cluster's parameters: the mass of its living stars, and its absolute magnitude."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.filters import load_curve
from hpcflow.model.simulator import Quantity
from hpcflow.model.tables import SspTable
from hpcflow.model.zero_points import AB_ZERO_MJY, VEGA_TO_AB
from hpcflow.sources.cluster.gas_table import GasTable
from hpcflow.sources.cluster.ssp import GAS, SspSimulator

__all__ = ["DerivedCluster"]

Floats = NDArray[np.floating]

V = "WFC3_UVIS.F555W"
MASS = Quantity("log_living_mass", "dex(solMass)", "log10 of the mass in living stars, without remnants")
M_V = Quantity("m_v", "mag", "absolute Vega magnitude in WFC3/UVIS F555W, dereddened")


class DerivedCluster:
    """Derived quantities of clusters made of simple stellar populations.

    Args:
        tables: spectra of one metallicity, or of several in ascending order.
        parameters: names of theta's columns.
        fixed: values of parameters that are not columns.
        gas: what the stars ionise, whose light counts in the magnitude; None if there is none.

    Attributes:
        quantities: what is derived; the mass in living stars only if the tables list mass fractions.
    """

    def __init__(
        self,
        tables: Sequence[SspTable],
        parameters: Sequence[str],
        fixed: Mapping[str, float],
        gas: GasTable | None = None,
    ) -> None:
        self._parameters, self._tables = list(parameters), list(tables)
        free = tuple(name for name in ("log_age", "metallicity", *GAS) if name in parameters)
        self._columns = [self._parameters.index(name) for name in free]
        kept = {"ebv": 0.0, "r_v": float(fixed.get("r_v", 3.1))}
        kept |= {name: fixed[name] for name in GAS if gas and name in fixed}
        self._unreddened = SspSimulator(tables, {"V": load_curve(V)}, free, kept, gas=gas)
        self._fractions = [table.mass_fraction for table in tables if table.mass_fraction is not None]
        self.quantities = (MASS, M_V) if len(self._fractions) == len(self._tables) else (M_V,)

    def __call__(self, theta: Floats) -> Floats:
        """Return the quantities (n, K) of clusters with parameters theta (n, D)."""
        log_mass = theta[:, self._parameters.index("log_mass")].astype(np.float64)
        flux = self._unreddened(theta[:, self._columns])[:, 0]
        m_v = -2.5 * (np.log10(flux / AB_ZERO_MJY) + log_mass) - VEGA_TO_AB[V]
        if MASS not in self.quantities:
            return m_v[:, None]
        return np.column_stack([log_mass + np.log10(self._living(theta)), m_v])

    def _living(self, theta: Floats) -> Floats:
        """Return the fraction (n,) of the mass formed that is in living stars, linear in age and in log Z."""
        age_myr = 10.0 ** (theta[:, self._columns[0]].astype(np.float64) - 6)
        by_table = np.stack([np.interp(age_myr, self._tables[0].t_myr, one) for one in self._fractions])
        if len(by_table) == 1:
            return by_table[0]
        log_z = np.log10([table.metallicity for table in self._tables])
        place = np.interp(np.log10(theta[:, self._columns[1]]), log_z, np.arange(len(log_z)))
        left = np.minimum(place.astype(int), len(log_z) - 2)
        rows, share = np.arange(len(theta)), place - left
        return by_table[left, rows] * (1 - share) + by_table[left + 1, rows] * share
