"""Fluxes behind a screen as short polynomials in E(B-V), which stand for a sum over wavelengths."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["EBV_MAX", "Series"]

Floats = NDArray[np.floating]

EBV_MAX = 2.0  # where the polynomials end
CELLS = 20
DEGREE = 8  # in cells of 0.1 mag, once the mean extinction is divided out, what is left out is below 1e-13
BLOCK = 1024  # rows evaluated at once: a block's temporaries stay in the processor's cache


class Series:
    """Fluxes of R spectra in B bands behind a screen of 0 to `EBV_MAX`, and of mixtures of those spectra.

    In band b, F_rb(E) = 10^(-0.4 E s_b) p_rb(E) with s_b the band's mean extinction [mag per E(B-V)]; what is left
    is so smooth that p, of degree 8 in cells of 0.1 mag, is exact to 1e-13.

    Args:
        screened: of each band, a function that gives its spectra's fluxes (R, E) for E(B-V) (E,).
        slopes: of each band, its mean extinction in mag per E(B-V).
    """

    def __init__(self, screened: Sequence[Callable[[Floats], Floats]], slopes: Sequence[float]) -> None:
        self._slopes = np.array(slopes)
        nodes = np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))
        ebv = ((np.arange(CELLS)[:, None] + (nodes + 1) / 2) * (EBV_MAX / CELLS)).ravel()
        powers = np.linalg.inv(np.vander(nodes, increasing=True))
        bands = []
        for fluxes, slope in zip(screened, self._slopes, strict=True):
            left = fluxes(ebv) * 10 ** (0.4 * ebv * slope)
            bands.append(left.reshape(-1, CELLS, DEGREE + 1) @ powers.T)  # (R, cell, power)
        table = np.stack(bands, axis=-1)
        self._table = table.reshape(len(table) * CELLS, -1)

    def __call__(self, index: NDArray[np.intp], weight: Floats, ebv: Floats) -> Floats:
        """Return fluxes (N, B) of mixtures of M spectra: their indices (N, M) and weights (N, M), E(B-V) (N,)."""
        flux = np.empty((len(ebv), len(self._slopes)))
        for start in range(0, len(ebv), BLOCK):
            rows = slice(start, start + BLOCK)
            flux[rows] = self._block(index[rows], weight[rows], ebv[rows])
        return flux

    def _block(self, index: NDArray[np.intp], weight: Floats, ebv: Floats) -> Floats:
        scaled = ebv * (CELLS / EBV_MAX)
        cell = np.minimum(scaled.astype(np.intp), CELLS - 1)
        x = (2 * (scaled - cell) - 1)[:, None]
        mixed = self._table.take(index[:, 0] * CELLS + cell, axis=0)
        mixed *= weight[:, :1]
        for m in range(1, index.shape[1]):
            more = self._table.take(index[:, m] * CELLS + cell, axis=0)
            more *= weight[:, m : m + 1]
            mixed += more
        bands = len(self._slopes)
        flux = mixed[:, -bands:]
        for power in range(DEGREE - 1, -1, -1):
            flux = flux * x + mixed[:, power * bands : (power + 1) * bands]
        return flux * np.exp(np.log(10) * -0.4 * ebv[:, None] * self._slopes)
