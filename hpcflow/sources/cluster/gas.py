"""The light of stars and of the gas around them, which is linear in the share of ionising light that it absorbs."""

from array_api_compat import array_namespace

from hpcflow.model.arrays import Array
from hpcflow.sources.cluster.engine import Engine

__all__ = ["StarsAndGas"]


class StarsAndGas:
    """Fluxes of stars, and of gas while it is young enough to shine.

    `arrays.moved` can take it to another device, as it can an `Engine`.

    Args:
        stars: of log_age, E(B-V), R_V and Z.
        gas: of log_age, E(B-V), R_V, Z and log U, if it absorbs all ionising light.
        log_u: (K,) nodes of log U, ascending.
    """

    def __init__(self, stars: Engine, gas: Engine, log_u: Array) -> None:
        self._stars, self._gas, self._log_u = stars, gas, log_u

    def __call__(
        self, log_age: Array, ebv: Array, r_v: Array, metallicity: Array, covering_factor: Array, log_u: Array
    ) -> Array:
        """Return fluxes (N, B) for parameters (N,) each; NaN where there are none."""
        xp = array_namespace(log_age)
        flux = self._stars(log_age, ebv, r_v, metallicity)
        good = (covering_factor >= 0) & (covering_factor <= 1)
        good &= (log_u >= self._log_u[0]) & (log_u <= self._log_u[-1])
        flux[~good] = xp.nan
        shines = good & (covering_factor > 0) & self._gas.reaches(log_age) & ~xp.isnan(flux[:, 0])
        rows = xp.nonzero(shines)[0]
        gas = self._gas(*(column[rows] for column in (log_age, ebv, r_v, metallicity, log_u)))
        flux[rows] += covering_factor[rows, None] * gas
        return flux
