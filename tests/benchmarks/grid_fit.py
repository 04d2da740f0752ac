"""An exhaustive grid fit: the least chi^2 that any age, reddening and mass in the prior can reach.

It is what published catalogues are fitted with, and the yardstick of every MAP's reduced chi^2.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.observe import Photometry
from hpcflow.model.prior import Prior
from hpcflow.model.simulator import Simulator
from hpcflow.sources.cluster.parameters import SCALE

__all__ = ["Fit", "grid_fit"]

Floats = NDArray[np.floating]

GRID = (400, 301)  # steps along the simulator's two parameters, bounds included
BLOCK = 25  # clusters at once: some 25 MB an array of the whole grid


class Fit(NamedTuple):
    """The best of the grid for N clusters: theta (N, D) in the prior's order, flux (N, B) mJy, and chi2 (N,).

    chi2 is reduced as the archive's: per observed band beyond the number of parameters, but at least 1.
    """

    theta: Floats
    flux: Floats
    chi2: Floats


def grid_fit(photometry: Photometry, simulator: Simulator, prior: Prior) -> Fit:
    """Fit every cluster by the whole grid, the mass at each point by weighted least squares.

    Args:
        photometry: with the systematic in its errors.
        simulator: of two parameters.
        prior: its bounds are those of the fit.
    """
    columns, mass = prior.index(simulator.parameters), prior.names.index("log_mass")
    sides = [np.linspace(prior.low[c], prior.high[c], n) for c, n in zip(columns, GRID, strict=True)]
    plane = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, 2)
    unit = simulator(plane)  # (G, B)
    found = [
        _fit(Photometry(*(a[at : at + BLOCK] for a in photometry)), unit, (prior.low[mass], prior.high[mass]))
        for at in range(0, len(photometry.flux), BLOCK)
    ]
    best, log_mass, square = (np.concatenate(parts) for parts in zip(*found, strict=True))
    theta = np.empty((len(best), len(prior.names)))
    theta[:, columns], theta[:, mass] = plane[best], log_mass
    freedom = np.maximum(1, photometry.observed.sum(axis=1) - len(prior.names))
    return Fit(theta, unit[best] * SCALE.factor(log_mass, photometry.given)[:, None], square / freedom)


def _fit(some: Photometry, unit: Floats, bounds: tuple[float, float]) -> tuple[NDArray[np.intp], Floats, Floats]:
    """Return the best point (n,) of the grid, log_mass and chi^2 there."""
    weight = np.where(some.observed, 1 / some.sigma**2, 0.0)
    flux = np.where(some.observed, some.flux, 0.0)
    one = SCALE.factor(0.0, some.given)  # of one solar mass, so that the free factor is the mass
    cross = (weight * flux * one[:, None]) @ unit.T  # (n, G)
    square = (weight * one[:, None] ** 2) @ (unit**2).T
    size = np.clip(cross / square, *10.0 ** np.array(bounds))
    chi2 = (weight * flux**2).sum(axis=1)[:, None] + size * (size * square - 2 * cross)
    best = chi2.argmin(axis=1)
    rows = np.arange(len(best))
    return best, np.log10(size[rows, best]), chi2[rows, best]
