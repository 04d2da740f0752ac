"""The star clusters of galaxies, for mock catalogues and for weights; inference has a prior of its own."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SOLAR", "Globulars", "Population"]

Floats = NDArray[np.float64]

SOLAR = 0.02  # mass fraction of metals of the Sun, as the Bruzual & Charlot tables have it


@dataclass(frozen=True)
class Population:
    """Clusters of a disc: dN/dm ~ m^-2, dN/dt ~ t^-0.8 and dN/dE ~ exp(-E / 0.2), independent of each other.

    Fall & Chandar 2012 (ApJ 752, 96) find both exponents within some 0.2, and no dependence of mass on age; see
    Krumholz, McKee & Bland-Hawthorn 2019 (ARA&A 57, 227) for a review.

    Args:
        log_mass: lowest and highest log10 of the mass in M_sun.
        log_age: lowest and highest log10 of the age in yr.
        ebv: lowest and highest E(B-V) in mag.
        mass_slope: exponent of dN/dm.
        age_slope: exponent of dN/dt.
        ebv_mean: mean E(B-V) in mag of the exponential before it is truncated to `ebv`.
    """

    log_mass: tuple[float, float] = (2.5, 7.0)
    log_age: tuple[float, float] = (6.0, 10.1383)  # 1 Myr to 13.75 Gyr
    ebv: tuple[float, float] = (0.0, 1.5)
    mass_slope: float = -2.0
    age_slope: float = -0.8
    ebv_mean: float = 0.2

    def sample(self, n: int, rng: np.random.Generator) -> dict[str, Floats]:
        """Return n clusters: log_age [dex(yr)], log_mass [dex(M_sun)] and ebv [mag], (n,) each."""
        low, high = self.ebv
        ebv = low - self.ebv_mean * np.log1p(rng.random(n) * np.expm1((low - high) / self.ebv_mean))
        return {
            "log_age": _power_law(rng.random(n), self.age_slope, *self.log_age),
            "log_mass": _power_law(rng.random(n), self.mass_slope, *self.log_mass),
            "ebv": np.clip(ebv, low, high),
        }

    def log_density(self, log_age: Floats, log_mass: Floats, ebv: Floats) -> Floats:
        """Return the log of the density per dex of age, dex of mass and mag; -inf outside the bounds.

        Args:
            log_age: (...) dex(yr).
            log_mass: (...) dex(M_sun).
            ebv: (...) mag.

        >>> flat = Population(mass_slope=-1, age_slope=-1, log_mass=(2, 4), log_age=(6, 10), ebv_mean=1e9, ebv=(0, 1))
        >>> round(float(np.exp(-flat.log_density(8.0, 3.0, 0.5))), 3)
        8.0
        """
        low, high = self.ebv
        reddening = -(np.asarray(ebv) - low) / self.ebv_mean - np.log(
            -self.ebv_mean * np.expm1((low - high) / self.ebv_mean)
        )
        return np.asarray(
            _log_power_law(log_age, self.age_slope, *self.log_age)
            + _log_power_law(log_mass, self.mass_slope, *self.log_mass)
            + np.where((np.asarray(ebv) >= low) & (np.asarray(ebv) <= high), reddening, -np.inf)
        )


@dataclass(frozen=True)
class Globulars:
    """Old globular clusters: log-normal masses, little dust and few metals, as around the Milky Way.

    Harris 1996 (AJ 112, 1487) lists most of them with [Z] of -1.5 to -0.5; a mean luminosity of M_V = -7.4 with 1.2 mag
    of scatter is about 2e5 M_sun and half a dex.

    Args:
        log_age, ebv, log_z: lowest and highest log10 of the age in yr, E(B-V) in mag and log10 Z / Z_sun, each uniform.
        log_mass: mean and standard deviation of log10 of the mass in M_sun.
    """

    log_age: tuple[float, float] = (9.9, 10.1)
    ebv: tuple[float, float] = (0.0, 0.1)
    log_z: tuple[float, float] = (-1.5, -0.5)
    log_mass: tuple[float, float] = (5.3, 0.5)

    def sample(self, n: int, rng: np.random.Generator) -> dict[str, Floats]:
        """Return n clusters as `Population.sample` does, and their metallicity (n,) as a mass fraction."""
        return {
            "log_age": rng.uniform(*self.log_age, n),
            "log_mass": rng.normal(*self.log_mass, n),
            "ebv": rng.uniform(*self.ebv, n),
            "metallicity": SOLAR * 10 ** rng.uniform(*self.log_z, n),
        }


def _power_law(uniform: Floats, slope: float, low: float, high: float) -> Floats:
    """Return log10 x of x ~ x^slope from 10^low to 10^high, by the inverse of its distribution function."""
    power = slope + 1
    if abs(power) < 1e-9:
        return low + uniform * (high - low)
    span = np.expm1(power * (high - low) * np.log(10))
    return np.asarray(np.clip(low + np.log1p(uniform * span) / (power * np.log(10)), low, high))


def _log_power_law(log_x: Floats, slope: float, low: float, high: float) -> Floats:
    """Return the log of the density per dex of x ~ x^slope from 10^low to 10^high."""
    rate = (slope + 1) * np.log(10)
    whole = np.log(high - low) if abs(rate) < 1e-9 else np.log(np.expm1(rate * (high - low)) / rate)
    x = np.asarray(log_x)
    return np.where((x >= low) & (x <= high), rate * (x - low) - whole, -np.inf)
