"""Fluxes behind a screen as short polynomials in E(B-V) and R_V, in place of the sum over wavelengths."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from hpcflow.model.arrays import Array, blocks
from hpcflow.sources.cluster.band import Band
from hpcflow.sources.cluster.series import EBV_MAX

__all__ = ["Surface", "tabulate"]

Floats = NDArray[np.floating]

R_V_LIMITS = (1.0, 8.0)  # beyond these nothing was compared with the sum
WIDTH = 0.2  # of a cell in E(B-V), mag
DEPTH = 1.0  # of a cell in E(B-V) R_V, mag at the cell's larger E(B-V)
DEGREE = 9  # in such cells, with the mean extinction divided out, the error is below 1e-10
TERMS = (DEGREE + 1) * (DEGREE + 2) // 2
BLOCK = 1024  # rows evaluated at once, so that temporaries stay in cache
MOST_BYTES = 512 * 2**20


def tabulate(bands: Sequence[Band], ebv_max: float, r_v: tuple[float, float]) -> "Surface | None":
    """Return the surface of bands over ranges of E(B-V) and R_V, or None if it would exceed `MOST_BYTES`.

    Args:
        bands: with the same spectra.
        ebv_max: end of the range of E(B-V), at most `EBV_MAX`.
        r_v: range of R_V, within `R_V_LIMITS`.
    """
    low, high = (float(np.clip(end, *R_V_LIMITS)) for end in r_v)
    if not (ebv_max > 0 and low < high):
        return None
    grid = Grid(min(ebv_max, EBV_MAX), low, high)
    return Surface(bands, grid) if grid.bytes(bands) <= MOST_BYTES else None


class Grid:
    """Cells in E(B-V), each divided into as many cells in R_V as it needs: more where the reddening is larger.

    >>> grid = Grid(0.6, 2.0, 6.0)
    >>> grid.counts.tolist(), grid.size
    ([1, 2, 3], 6)
    >>> [found.tolist() for found in grid.locate(np.array([0.1, 0.6]), np.array([6.0, 2.0]))]
    [[0, 3], [0.0, 1.0], [1.0, -1.0]]

    Args:
        ebv_max: end of the range of E(B-V), which begins at 0.
        low: smallest R_V.
        high: largest R_V.
    """

    def __init__(self, ebv_max: float, low: float, high: float) -> None:
        self.ebv_max, self.low, self.high = ebv_max, low, high
        self.columns = math.ceil(ebv_max / WIDTH - 1e-9)
        ends = np.arange(1, self.columns + 1) * (ebv_max / self.columns)
        self.counts = np.ceil(ends * (high - low) / DEPTH - 1e-9).astype(np.int64)
        self.first = np.cumsum(self.counts) - self.counts
        self.size = int(self.counts.sum())

    def bytes(self, bands: Sequence[Band]) -> int:
        """Return the size in bytes of the table over all cells and bands."""
        return len(bands[0].spectra) * self.size * len(bands) * TERMS * 8

    def covers(self, ebv: Array, r_v: Array) -> Array:
        """Return which screens (N,) lie in a cell."""
        return (ebv <= self.ebv_max) & (r_v >= self.low) & (r_v <= self.high)

    def locate(self, ebv: Array, r_v: Array) -> tuple[Array, Array, Array]:
        """Return the cell of each screen (N,), and where in it: x and y from -1 to 1 along E(B-V) and R_V."""
        xp = array_namespace(ebv)
        across = ebv * (self.columns / self.ebv_max)
        column = xp.minimum(xp.astype(across, xp.int64), self.columns - 1)
        counts = self.counts[column]
        up = (r_v - self.low) * (counts / (self.high - self.low))
        row = xp.minimum(xp.astype(up, xp.int64), counts - 1)
        return self.first[column] + row, 2 * (across - column) - 1, 2 * (up - row) - 1

    def screens(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return E(B-V) and R_V (cells, K) of the places x and y (K,) in every cell."""
        column = np.repeat(np.arange(self.columns), self.counts)
        row = np.arange(self.size) - self.first[column]
        ebv = (column[:, None] + (x + 1) / 2) * (self.ebv_max / self.columns)
        r_v = self.low + (row[:, None] + (y + 1) / 2) * ((self.high - self.low) / self.counts[column][:, None])
        return ebv, r_v


class Surface:
    """Fluxes of R spectra in B bands behind screens of any E(B-V) and R_V of a grid, and of mixtures of those spectra.

    In band b, F_rb(E, R_V) = 10^(-0.4 E (R_V a_b + b_b)) p_rb(E, R_V) with a_b and b_b the band's mean of the law's
    two curves; p is a polynomial in both of total degree 9, cell by cell, by least squares on the cell's Chebyshev
    nodes. The table has R x cells x B x 55 numbers.

    Args:
        bands: with the same R spectra.
        grid: the cells.
    """

    def __init__(self, bands: Sequence[Band], grid: Grid) -> None:
        self._grid, self._bands = grid, len(bands)
        means = np.array([band.mean() for band in bands])
        self._a, self._b = means[:, 0].copy(), means[:, 1].copy()
        nodes = np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))
        x, y = (axis.ravel() for axis in np.meshgrid(nodes, nodes))
        fit = np.linalg.pinv(_terms(x, y)).T
        ebv, r_v = (screens.ravel() for screens in grid.screens(x, y))
        self._spectra = len(bands[0].spectra)
        table = np.empty((grid.size, self._spectra, len(bands), TERMS))  # so that neighbours in age lie together
        for i, band in enumerate(bands):
            left = band.screened(ebv, r_v) * 10 ** (0.4 * ebv * (r_v * self._a[i] + self._b[i]))
            table[:, :, i] = left.reshape(self._spectra, grid.size, len(x)).swapaxes(0, 1) @ fit
        self._table = table.reshape(-1, len(bands) * TERMS)

    def covers(self, ebv: Array, r_v: Array) -> Array:
        """Return for which screens (N,) the polynomials are valid."""
        return self._grid.covers(ebv, r_v)

    def __call__(self, index: Array, weight: Array, ebv: Array, r_v: Array) -> Array:
        """Return fluxes (N, B) of mixtures of M spectra: their indices and weights (N, M), E(B-V) and R_V (N,)."""
        xp = array_namespace(ebv)
        flux = xp.empty((len(ebv), self._bands), dtype=ebv.dtype, device=device(ebv))
        for rows in blocks(ebv, BLOCK):
            flux[rows] = self._block(index[rows], weight[rows], ebv[rows], r_v[rows], xp)
        return flux

    def _block(self, index: Array, weight: Array, ebv: Array, r_v: Array, xp: Any) -> Array:
        cell, x, y = self._grid.locate(ebv, r_v)
        first = cell * self._spectra
        terms, shape = _terms(x, y), (len(ebv), self._bands, TERMS)
        flux = 0.0
        for m in range(index.shape[1]):
            spectrum = xp.take(self._table, first + index[:, m], axis=0)
            flux = flux + weight[:, m : m + 1] * xp.einsum("nbt,nt->nb", xp.reshape(spectrum, shape), terms)
        extinction = ebv[:, None] * (r_v[:, None] * self._a + self._b)
        return flux * xp.exp(math.log(10) * -0.4 * extinction)


def _terms(x: Array, y: Array) -> Array:
    """Return the products T_i(x) T_j(y) (N, TERMS) of Chebyshev polynomials with i + j <= `DEGREE`."""
    xp = array_namespace(x)
    along, up = ([xp.ones_like(z), z] for z in (x, y))
    for powers, z in ((along, x), (up, y)):
        for _ in range(DEGREE - 1):
            powers.append(2 * z * powers[-1] - powers[-2])
    products = xp.empty((TERMS, len(x)), dtype=x.dtype, device=device(x))
    pairs = [(i, degree - i) for degree in range(DEGREE + 1) for i in range(degree + 1)]
    for term, (i, j) in enumerate(pairs):
        products[term] = along[i] * up[j]
    terms = xp.empty((len(x), TERMS), dtype=x.dtype, device=device(x))
    terms[:, :] = products.T  # contiguous rows are summed four times as fast
    return terms
