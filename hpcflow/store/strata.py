"""Kinds of clusters that a check is made on one by one: by error, age and number of bands."""

import itertools

import numpy as np
from numpy.typing import NDArray

__all__ = ["mean_error", "strata"]

Floats = NDArray[np.floating]

ERROR_EDGES = (0.0, 0.1, 0.2, 0.35, np.inf)
AGE_EDGES = (-np.inf, 7.0, 8.0, 9.0, np.inf)


def mean_error(flux: Floats, sigma: Floats, observed: NDArray[np.bool_]) -> Floats:
    """Return the geometric mean (N,) of the relative errors |sigma / flux| of the observed bands (N, B)."""
    logs = np.log(np.where(observed, np.abs(sigma / np.where(observed, flux, 1.0)), 1.0))
    return np.exp(logs.sum(axis=1) / np.maximum(observed.sum(axis=1), 1))


def strata(error: Floats, log_age: Floats, bands: NDArray[np.integer]) -> dict[str, NDArray[np.bool_]]:
    """Return which of N clusters belong to each stratum, by its name; empty strata are left out.

    Args:
        error: (N,) mean relative error of a cluster's bands.
        log_age: (N,) true log10 of the age in yr.
        bands: (N,) number of observed bands.

    >>> list(strata(np.array([0.05]), np.array([7.5]), np.array([5])))
    ['r* < 0.1', '7 <= log_age < 8', '5 bands']
    """
    found = _between("r*", error, ERROR_EDGES) | _between("log_age", log_age, AGE_EDGES)
    found |= {f"{n} bands": bands == n for n in np.unique(bands)}
    return {name: rows for name, rows in found.items() if rows.any()}


def _between(name: str, values: Floats, edges: tuple[float, ...]) -> dict[str, NDArray[np.bool_]]:
    said = {}
    for low, high in itertools.pairwise(edges):
        left = "" if low <= 0 else f"{low:g} <= "
        right = "" if np.isinf(high) else f" < {high:g}"
        said[f"{left}{name}{right}"] = (values >= low) & (values < high)
    return said
