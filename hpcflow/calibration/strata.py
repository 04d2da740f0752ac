"""Strata of objects by error, parameters, what is given, and observed bands."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Axis", "Seen", "mean_error", "pattern_bands", "pattern_of", "strata"]

Floats = NDArray[np.floating]

ERROR_EDGES = (0.0, 0.1, 0.2, 0.35, np.inf)
MOST_PATTERNS = 4  # band patterns with a stratum each; the others share one


@dataclass(frozen=True)
class Axis:
    """A quantity whose ranges are strata: its values (N,), the inner edges between strata, and its unit."""

    values: Floats
    edges: tuple[float, ...]
    unit: str = ""


@dataclass(frozen=True)
class Seen:
    """Quantities of N objects that are known without their truth.

    Args:
        error: (N,) geometric mean of the relative errors of an object's bands.
        axes: posterior medians and given quantities, by the name of their strata.
        pattern: (N,) observed bands as bits; see `pattern_of`.
        bands: (B,) names of the bands.
    """

    error: Floats
    axes: Mapping[str, Axis]
    pattern: NDArray[np.integer]
    bands: Sequence[str]


def mean_error(flux: Floats, sigma: Floats, observed: NDArray[np.bool_]) -> Floats:
    """Return the geometric mean (N,) of the relative errors |sigma / flux| of the observed bands (N, B)."""
    logs = np.log(np.where(observed, np.abs(sigma / np.where(observed, flux, 1.0)), 1.0))
    return np.exp(logs.sum(axis=1) / np.maximum(observed.sum(axis=1), 1))


def strata(seen: "Seen") -> dict[str, NDArray[np.bool_]]:
    """Return, by name, which of N objects belong to each stratum; empty strata are left out.

    Strata depend only on what is known without the truth, because posteriors that are right on the whole are right in
    each of these, but not among clusters of one true age.
    """
    found = _between("r*", seen.error, ERROR_EDGES)
    for name, axis in seen.axes.items():
        found |= _between(name, axis.values, (-np.inf, *axis.edges, np.inf), f" {axis.unit}" if axis.unit else "")
    count = sum((seen.pattern >> bit) & 1 for bit in range(len(seen.bands)))
    found |= {f"{n} bands": count == n for n in np.unique(count)}
    values, clusters = np.unique(seen.pattern, return_counts=True)
    rest = np.ones(len(seen.pattern), dtype=bool)
    for value in values[np.argsort(-clusters, kind="stable")][:MOST_PATTERNS]:
        found[" ".join(pattern_bands(int(value), seen.bands))] = here = seen.pattern == value
        rest &= ~here
    return {name: rows for name, rows in (found | {"other bands": rest}).items() if rows.any()}


def pattern_of(observed: NDArray[np.bool_]) -> NDArray[np.integer]:
    """Encode which bands (N, B) are observed in one number (N,): bit b stands for band b.

    >>> pattern_of(np.array([[True, False, True]]))
    array([5])
    """
    return np.asarray(observed.astype(np.int64) @ (1 << np.arange(observed.shape[1])))


def pattern_bands(pattern: int, bands: Sequence[str]) -> list[str]:
    """Return the names of the bands that a number from `pattern_of` encodes.

    >>> pattern_bands(5, ["U", "V", "I"])
    ['U', 'I']
    """
    return [band for bit, band in enumerate(bands) if pattern >> bit & 1]


def _between(name: str, values: Floats, edges: tuple[float, ...], unit: str = "") -> dict[str, NDArray[np.bool_]]:
    said = {}
    for low, high in itertools.pairwise(edges):
        left = "" if low <= 0 else f"{low:g}{unit if np.isinf(high) else ''} <= "
        right = "" if np.isinf(high) else f" < {high:g}{unit}"
        said[f"{left}{name}{right}"] = (values >= low) & (values < high)
    return said
