"""Zero points of all curves that ship, published or computed from a spectrum of Vega."""

import numpy as np
import pytest

from hpcflow.model.filters import load_curve, shipped_curves
from hpcflow.model.zero_points import PUBLISHED, TABLE, VEGA_TO_AB


def computed() -> dict[str, float]:
    lines = [line.split() for line in TABLE.read_text().splitlines() if not line.startswith("#")]
    return {curve: float(offset) for curve, offset in lines}


def test_every_curve_that_ships_has_one() -> None:
    assert sorted(VEGA_TO_AB) == shipped_curves()
    assert sorted(computed()) == shipped_curves()


def test_published_ones_prevail_and_agree_with_those_computed() -> None:
    found = computed()
    for curve, offset in PUBLISHED.items():
        assert VEGA_TO_AB[curve] == offset
        assert found[curve] == pytest.approx(offset, abs=0.008)


@pytest.mark.parametrize(("curve", "offset"), [("WFC3_IR.F110W", 0.7595), ("WFC3_IR.F160W", 1.2514)])
def test_infrared_ones_are_those_that_stsci_published_in_2012(curve: str, offset: float) -> None:
    assert VEGA_TO_AB[curve] == pytest.approx(offset, abs=0.005)


def test_beyond_the_balmer_lines_they_grow_with_wavelength() -> None:
    red = [curve for curve in shipped_curves() if load_curve(curve).pivot_nm > 1150]
    red.sort(key=lambda curve: load_curve(curve).pivot_nm)
    offset = np.array([VEGA_TO_AB[curve] for curve in red])
    assert (np.diff(offset) > -0.03).all()  # Paschen and Brackett lines
    assert offset[-1] - offset[0] > 2.5
