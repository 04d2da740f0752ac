"""The fit that the survey publishes: least chi^2 over an exhaustive grid of ages and reddenings.

For every model the mass that fits best is a weighted mean, so only two parameters have a grid: 109 ages, 1 to 10 Myr in
steps of 1 and from there to 13 750 Myr in equal steps of the logarithm, and 151 E(B-V) from 0 to 1.5 mag (Turner et al.
2021, MNRAS 502, 1366). Errors are standard deviations over the grid by its likelihood exp(-chi^2 / 2).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.observe import Photometry
from hpcflow.model.simulator import Simulator
from hpcflow.sources.cluster.parameters import SCALE
from hpcflow.sources.cluster.population import SOLAR

__all__ = ["GridFit", "grid_fit"]

Floats = NDArray[np.floating]

AGES_MYR = np.concatenate([np.arange(1, 11), np.geomspace(10, 13_750, 100)[1:]])
REDDENINGS = np.linspace(0, 1.5, 151)
BLOCK = 256  # clusters at once: some 17 MB an array of the whole grid


class GridFit(NamedTuple):
    """The best of the grid for N clusters, (N,) each, NaN where no band is observed.

    Age [Myr], mass [M_sun] and E(B-V) [mag] with their standard deviations, and the reduced chi^2.
    """

    age: Floats
    age_error: Floats
    mass: Floats
    mass_error: Floats
    ebv: Floats
    ebv_error: Floats
    chi2: Floats


def grid_fit(
    photometry: Photometry, simulator: Simulator, columns: Sequence[int], metallicity: float = SOLAR
) -> GridFit:
    """Fit clusters by the whole grid, all at one metallicity.

    Args:
        photometry: (N, B) with the systematic in its errors.
        simulator: of log_age, ebv and perhaps metallicity.
        columns: which of its bands are the B of the photometry.
        metallicity: mass fraction of metals, if the simulator takes it.
    """
    age, ebv = (a.ravel() for a in np.meshgrid(AGES_MYR, REDDENINGS, indexing="ij"))
    theta = {"log_age": np.log10(age) + 6, "ebv": ebv, "metallicity": np.full(len(age), metallicity)}
    unit = np.asarray(simulator(np.stack([theta[name] for name in simulator.parameters], axis=1)))[:, list(columns)]
    n = len(photometry.flux)
    parts = [_fit(Photometry(*(a[at : at + BLOCK] for a in photometry)), unit, age, ebv) for at in range(0, n, BLOCK)]
    return GridFit(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _fit(some: Photometry, unit: Floats, age: Floats, ebv: Floats) -> GridFit:
    observed = np.asarray(some.observed)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(observed, 1 / some.sigma**2, 0.0)
    flux = np.where(observed, some.flux, 0.0)
    one = SCALE.factor(0.0, some.given)[:, None]  # of one solar mass, so that the free factor is the mass
    cross, square = (weight * flux * one) @ unit.T, (weight * one**2) @ (unit**2).T
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.maximum(cross, 0) / square
        chi2 = (weight * flux**2).sum(axis=1)[:, None] + size * (size * square - 2 * cross)
        best, rows = np.nan_to_num(chi2, nan=np.inf).argmin(axis=1), np.arange(len(flux))
        likely = np.exp(-0.5 * (chi2 - chi2[rows, best][:, None]))
    likely /= likely.sum(axis=1, keepdims=True)
    freedom = np.maximum(1, observed.sum(axis=1) - 3)
    return GridFit(
        age[best],
        _spread(likely @ age, likely @ age**2),
        size[rows, best],
        _spread((likely * size).sum(axis=1), (likely * size**2).sum(axis=1)),
        ebv[best],
        _spread(likely @ ebv, likely @ ebv**2),
        chi2[rows, best] / freedom,
    )


def _spread(mean: Floats, square: Floats) -> Floats:
    return np.asarray(np.sqrt(np.maximum(square - mean**2, 0)))
