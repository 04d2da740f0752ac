"""Rebin spectra onto few wavelength nodes so that what filters see of them, behind any dust, is kept.

Two ideas make few nodes enough. The values on the nodes are those of the piecewise linear function nearest
to the spectrum in least squares, so a band integral errs only by (what the nodes miss of the band) times
(what they miss of the spectrum). And the fit is made behind half of the dust that is to be covered: the
screen's curvature between nodes, whose error grows with the square of the dust, then counts a quarter.
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
GROWTH = 0.05  # share of the cells split in one round
ROUNDS = 100


def rebin(wl_nm: Floats, spectra: Floats, nodes: Indices) -> Floats:
    """Return the spectra's values (N, J) on some of their nodes, fitted from the first of these to the last.

    Args:
        wl_nm: (W,) wavelengths in nm, rising; the spectra are linear between them.
        spectra: (N, W) luminosities per wavelength.
        nodes: (J,) rising indices into `wl_nm`.
    """
    screen = transmission(wl_nm, EBV_FIT)
    inside = slice(nodes[0], nodes[-1] + 1)
    fitted = _least_squares(wl_nm[inside], (spectra * screen)[:, inside], nodes - nodes[0])
    return fitted / screen[nodes]


def errors(
    wl_nm: Floats, spectra: Floats, nodes: Indices, values: Floats, curves: Mapping[str, Curve], ebv: Floats
) -> dict[str, Floats]:
    """Return per band the relative error (N, E) of the flux of rebinned spectra, as the engine integrates it.

    Args:
        wl_nm: (W,) wavelengths in nm of the full spectra.
        spectra: (N, W) full spectra.
        nodes: (J,) indices into `wl_nm`.
        values: (N, J) rebinned spectra.
        curves: the bands.
        ebv: (E,) colour excesses in mag.
    """
    full, coarse = (np.stack([transmission(wl, e) for e in ebv], axis=1) for wl in (wl_nm, wl_nm[nodes]))
    found = {}
    for band, curve in curves.items():
        truth = spectra @ (full * band_weights(curve, wl_nm)[:, None])
        found[band] = values @ (coarse * band_weights(curve, wl_nm[nodes])[:, None]) / truth - 1
    return found


def choose_nodes(wl_nm: Floats, spectra: Floats, curves: Mapping[str, Curve], tolerance: float) -> Indices:
    """Return indices (J,) of nodes that keep every band of every spectrum, without dust and with all of it.

    Begins with evenly spaced nodes and halves, round after round, the cells that err most.

    Args:
        wl_nm: (W,) wavelengths in nm.
        spectra: (N, W) spectra to keep, all positive.
        curves: the bands to keep.
        tolerance: largest relative error allowed.

    Raises:
        ValueError: if the tolerance is not reached.
    """
    ebv = np.array([0.0, EBV_FIT, EBV_MAX])
    nodes = np.unique(np.searchsorted(wl_nm, np.linspace(wl_nm[0], wl_nm[-1], FIRST_NODES)))
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
    raise ValueError(f"no nodes keep the bands to {tolerance:g} after {ROUNDS} rounds; allow more")


def transmission(wl_nm: Floats, ebv: float) -> Floats:
    """Return the share (W,) of light that a screen of dust lets through."""
    a, b = odonnell94(wl_nm)
    return 10 ** (-0.4 * ebv * (R_V * a + b))


def _blame(wl_nm: Floats, spectra: Floats, nodes: Indices, curves: Mapping[str, Curve]) -> Floats:
    """Largest share of any band that each cell (J-1,) misplaces for good, zero where it cannot be split."""
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
            # What the nodes see of the band is orthogonal to what they miss of the light: it sums to nothing.
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
    """Values (N, J) of the continuous piecewise linear function nearest to piecewise linear light (N, W)."""
    step = np.diff(wl_nm)
    moment = np.zeros_like(light)  # of the light with the hat function of every fine node
    moment[:, :-1] += (2 * light[:, :-1] + light[:, 1:]) * step / 6
    moment[:, 1:] += (light[:, :-1] + 2 * light[:, 1:]) * step / 6
    _, share = _cells(wl_nm, nodes)
    right = np.zeros((len(light), len(nodes)))
    right[:, :-1] += np.add.reduceat(moment * (1 - share), nodes[:-1], axis=1)
    right[:, 1:] += np.add.reduceat(moment * share, nodes[:-1], axis=1)

    # The hats' Gram matrix is tridiagonal. Solved by hand: a library's routine may differ in the last bit.
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
