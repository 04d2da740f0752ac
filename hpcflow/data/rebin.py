"""Rebin spectra onto few wavelength nodes so that band fluxes are preserved for any amount of dust.

Two ideas keep the number of nodes small. The values at the nodes are a piecewise linear least-squares fit to the
spectrum, so the error of a band integral is only the product of two residuals, of the band and of the spectrum. And the
spectrum is fitted behind half of the largest dust screen: the error from the screen's curvature between nodes, which
grows with the square of the dust, is then a quarter as large.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.extinction import odonnell94
from hpcflow.model.filters import Curve, band_weights

__all__ = ["choose_nodes", "errors", "rebin", "transmission"]

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

R_V = 3.1
EBV_MAX = 1.5
EBV_FIT = EBV_MAX / 2
FIRST_NODES = 60
GROWTH = 0.05  # fraction of the cells that are split in one round
ROUNDS = 100


def rebin(wl_nm: Floats, spectra: Floats, nodes: Indices) -> Floats:
    """Return rebinned spectra (N, J), fitted between the first and the last of the nodes.

    Args:
        wl_nm: (W,) wavelengths in nm, ascending; the spectra are linear between them.
        spectra: (N, W) luminosities per wavelength.
        nodes: (J,) ascending indices into `wl_nm`.
    """
    screen = transmission(wl_nm, EBV_FIT)
    inside = slice(nodes[0], nodes[-1] + 1)
    fitted = _least_squares(wl_nm[inside], (spectra * screen)[:, inside], nodes - nodes[0])
    values = fitted / screen[nodes]
    return np.where(values > 0, values, spectra[:, nodes])  # the fit can be negative in the deepest lines


def errors(
    wl_nm: Floats, spectra: Floats, nodes: Indices, values: Floats, curves: Mapping[str, Curve], ebv: Floats
) -> dict[str, Floats]:
    """Return, for each band, the relative error (N, E) of the flux of rebinned spectra, integrated as in simulations.

    Args:
        wl_nm: (W,) wavelengths in nm of the full spectra.
        spectra: (N, W) full spectra.
        nodes: (J,) indices into `wl_nm`.
        values: (N, J) rebinned spectra.
        curves: filter curves by band.
        ebv: (E,) colour excesses in mag.
    """
    full, coarse = (np.stack([transmission(wl, e) for e in ebv], axis=1) for wl in (wl_nm, wl_nm[nodes]))
    found = {}
    for band, curve in curves.items():
        truth = spectra @ (full * band_weights(curve, wl_nm)[:, None])
        found[band] = values @ (coarse * band_weights(curve, wl_nm[nodes])[:, None]) / truth - 1
    return found


def choose_nodes(
    wl_nm: Floats, spectra: Floats, curves: Mapping[str, Curve], tolerance: float, first: Indices | None = None
) -> Indices:
    """Return indices (J,) of nodes that preserve every band flux of every spectrum, from no dust to the largest screen.

    The first nodes are refined in rounds, each of which halves the cells with the largest errors.

    Args:
        wl_nm: (W,) wavelengths in nm.
        spectra: (N, W) spectra, all positive.
        curves: filter curves by band.
        tolerance: largest relative error allowed.
        first: (F,) indices of the first nodes, both ends included; evenly spaced ones if not given.

    Raises:
        ValueError: if the tolerance is not reached.
    """
    ebv = np.array([0.0, EBV_FIT, EBV_MAX])
    nodes = np.unique(np.searchsorted(wl_nm, np.linspace(wl_nm[0], wl_nm[-1], FIRST_NODES))) if first is None else first
    for _ in range(ROUNDS):
        found = errors(wl_nm, spectra, nodes, rebin(wl_nm, spectra, nodes), curves, ebv)
        bad = {band: curves[band] for band in curves if np.abs(found[band]).max() > tolerance}
        if not bad:
            return nodes
        score = _blame(wl_nm, spectra, nodes, bad)
        worst = np.argsort(score, kind="stable")[::-1][: max(3, int(GROWTH * len(nodes)))]
        worst = worst[score[worst] > 0]
        middle = np.searchsorted(wl_nm, (wl_nm[nodes[worst]] + wl_nm[nodes[worst + 1]]) / 2)
        nodes = np.union1d(nodes, np.clip(middle, nodes[worst] + 1, nodes[worst + 1] - 1))
    raise ValueError(f"no nodes preserve the band fluxes to {tolerance:g} in {ROUNDS} rounds; increase the tolerance")


def transmission(wl_nm: Floats, ebv: float) -> Floats:
    """Return the fraction (W,) of light that a dust screen transmits."""
    a, b = odonnell94(wl_nm)
    return 10 ** (-0.4 * ebv * (R_V * a + b))


def _blame(wl_nm: Floats, spectra: Floats, nodes: Indices, curves: Mapping[str, Curve]) -> Floats:
    """Return the largest fraction of a band that each cell (J-1,) misplaces, or zero if the cell cannot be split."""
    screen = transmission(wl_nm, EBV_FIT)
    light = spectra * screen
    fitted = _least_squares(wl_nm, light, nodes)
    missed = _between(wl_nm, nodes, fitted) - light
    step = np.gradient(wl_nm)
    score = np.zeros(len(nodes) - 1)
    for more in (0.0 - EBV_FIT, EBV_MAX - EBV_FIT):
        ratio = transmission(wl_nm, more)
        difference = _between(wl_nm, nodes, fitted * ratio[nodes]) - light * ratio
        for curve in curves.values():
            throughput = np.interp(wl_nm, curve.wavelength_nm, curve.throughput, left=0.0, right=0.0) * wl_nm
            # The band as resolved by the nodes is orthogonal to the residual of the light, so this part sums to zero.
            harmless = _between(wl_nm, nodes, (throughput * ratio)[nodes]) * missed
            cells = np.add.reduceat((throughput * difference - harmless) * step, nodes[:-1], axis=1)
            flux = ((throughput * step * ratio) * light).sum(axis=1, keepdims=True)
            score = np.maximum(score, np.abs(cells / flux).max(axis=0))
    score[np.diff(nodes) < 2] = 0.0
    return score


def _between(wl_nm: Floats, nodes: Indices, values: Floats) -> Floats:
    """Interpolate values (..., J) on the nodes linearly to all wavelengths (..., W)."""
    cell, share = _cells(wl_nm, nodes)
    return values[..., cell] * (1 - share) + values[..., cell + 1] * share


def _cells(wl_nm: Floats, nodes: Indices) -> tuple[Indices, Floats]:
    coarse = wl_nm[nodes]
    cell = np.clip(np.searchsorted(coarse, wl_nm, side="right") - 1, 0, len(nodes) - 2)
    return cell, (wl_nm - coarse[cell]) / (coarse[cell + 1] - coarse[cell])


def _least_squares(wl_nm: Floats, light: Floats, nodes: Indices) -> Floats:
    """Return values (N, J) of the continuous piecewise linear least-squares fit to piecewise linear light (N, W)."""
    step = np.diff(wl_nm)
    moment = np.zeros_like(light)  # moments of the light with the hat function of each fine node
    moment[:, :-1] += (2 * light[:, :-1] + light[:, 1:]) * step / 6
    moment[:, 1:] += (light[:, :-1] + 2 * light[:, 1:]) * step / 6
    _, share = _cells(wl_nm, nodes)
    right = np.zeros((len(light), len(nodes)))
    right[:, :-1] += np.add.reduceat(moment * (1 - share), nodes[:-1], axis=1)
    right[:, 1:] += np.add.reduceat(moment * share, nodes[:-1], axis=1)

    # The hats' Gram matrix is tridiagonal. It is solved here because library routines may differ in the last bit.
    off = np.diff(wl_nm[nodes]) / 6
    diagonal = 2 * (np.append(off, 0.0) + np.append(0.0, off))
    for j in range(1, len(nodes)):
        factor = off[j - 1] / diagonal[j - 1]
        diagonal[j] -= factor * off[j - 1]
        right[:, j] -= factor * right[:, j - 1]
    values = right
    values[:, -1] /= diagonal[-1]
    for j in range(len(nodes) - 2, -1, -1):
        values[:, j] = (values[:, j] - off[j] * values[:, j + 1]) / diagonal[j]
    return values
