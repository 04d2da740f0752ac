"""Rebinning keeps spectra that are linear between nodes, and preserves the flux in every band."""

import numpy as np
import pytest

from hpcflow.data import rebin
from hpcflow.model.filters import Curve

WL = np.linspace(300.0, 600.0, 601)
BAND = {"box": Curve(np.array([400.0, 410.0, 500.0, 510.0]), np.array([0.0, 1.0, 1.0, 0.0]))}


def lines(count: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.exp(rng.normal(0.0, 0.2, (count, len(WL))) - WL / 300)


def test_spectra_linear_between_nodes_are_unchanged() -> None:
    nodes = np.array([0, 40, 200, 600])
    behind = np.interp(WL, WL[nodes], [1.0, 3.0, 2.0, 5.0])
    spectrum = behind / rebin.transmission(WL, rebin.EBV_FIT)
    np.testing.assert_allclose(rebin.rebin(WL, spectrum[None], nodes)[0], spectrum[nodes], rtol=1e-12)


def test_all_nodes_change_nothing() -> None:
    spectra = lines()
    np.testing.assert_allclose(rebin.rebin(WL, spectra, np.arange(len(WL))), spectra, rtol=1e-10)


@pytest.mark.parametrize("tolerance", [3e-3, 3e-4])
def test_chosen_nodes_preserve_band_fluxes(tolerance: float) -> None:
    spectra = lines()
    nodes = rebin.choose_nodes(WL, spectra, BAND, tolerance)
    found = rebin.errors(WL, spectra, nodes, rebin.rebin(WL, spectra, nodes), BAND, np.linspace(0, 1.5, 7))
    assert np.abs(found["box"]).max() < 1.5 * tolerance
    assert len(nodes) < len(WL)


def test_an_unreachable_tolerance_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebin, "ROUNDS", 2)
    with pytest.raises(ValueError, match="in 2 rounds"):
        rebin.choose_nodes(WL, lines(), BAND, 1e-12)
