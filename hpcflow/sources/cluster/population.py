"""A population of clusters as galaxies have it, for mock catalogues; no prior for inference."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Population"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Population:
    """Clusters with power laws in mass and age and reddening that falls with age.

    dN/dm ~ m^-2 and dN/dt ~ t^-0.8 independent of each other are what Fall & Chandar 2012 (ApJ 752, 96) find
    within some 0.2 in both exponents; see Krumholz, McKee & Bland-Hawthorn 2019 (ARA&A 57, 227) for a review.
    E(B-V) is exponential, truncated to `ebv`; its mean before truncation falls linearly in log t, from
    `ebv_mean[0]` at 1 Myr to `ebv_mean[1]` at 100 Myr and later: a round assumption, since clusters leave
    their clouds.

    Args:
        log_mass: lowest and highest log10 of the mass in M_sun.
        log_age: lowest and highest log10 of the age in yr.
        ebv: lowest and highest E(B-V) in mag.
        mass_slope: exponent of dN/dm.
        age_slope: exponent of dN/dt.
        ebv_mean: mean E(B-V) in mag of the youngest and of the old.
    """

    log_mass: tuple[float, float] = (2.5, 6.5)
    log_age: tuple[float, float] = (6.0, 10.1383)  # 1 Myr to 13.75 Gyr
    ebv: tuple[float, float] = (0.0, 1.5)
    mass_slope: float = -2.0
    age_slope: float = -0.8
    ebv_mean: tuple[float, float] = (0.35, 0.05)

    def sample(self, n: int, rng: np.random.Generator) -> dict[str, Floats]:
        """Return n clusters: log_age [dex(yr)], log_mass [dex(M_sun)] and ebv [mag], (n,) each."""
        log_age = _power_law(rng.random(n), self.age_slope, *self.log_age)
        log_mass = _power_law(rng.random(n), self.mass_slope, *self.log_mass)
        young, old = self.ebv_mean
        mean = young + (old - young) * np.clip((log_age - 6) / 2, 0, 1)
        low, high = self.ebv
        ebv = low - mean * np.log1p(rng.random(n) * np.expm1((low - high) / mean))
        return {"log_age": log_age, "log_mass": log_mass, "ebv": np.clip(ebv, low, high)}


def _power_law(uniform: Floats, slope: float, low: float, high: float) -> Floats:
    """Return log10 x of x ~ x^slope from 10^low to 10^high, by the inverse of its distribution function."""
    power = slope + 1
    if abs(power) < 1e-9:
        return low + uniform * (high - low)
    span = np.expm1(power * (high - low) * np.log(10))
    return np.asarray(np.clip(low + np.log1p(uniform * span) / (power * np.log(10)), low, high))
