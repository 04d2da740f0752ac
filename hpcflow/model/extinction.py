"""Milky-Way extinction screens: A(lambda) / E(B-V) = R_V a(lambda) + b(lambda)."""

from collections.abc import Callable

import numpy as np
from numpy.polynomial.polynomial import polyval
from numpy.typing import NDArray

__all__ = ["LAWS", "ccm89", "odonnell94"]

Floats = NDArray[np.floating]
Law = Callable[[Floats], tuple[Floats, Floats]]

INFRARED_END_NM = 5500.0
# Coefficients of y = x - 1.82, lowest order first, for 1.1 <= x <= 3.3 per micron.
_CCM_A = (1.0, 0.17699, -0.50447, -0.02427, 0.72085, 0.01979, -0.77530, 0.32999)
_CCM_B = (0.0, 1.41338, 2.28305, 1.07233, -5.38434, -0.62251, 5.30260, -2.09002)
_ODONNELL_A = (1.0, 0.104, -0.609, 0.701, 1.137, -1.718, -0.827, 1.647, -0.505)
_ODONNELL_B = (0.0, 1.952, 2.908, -3.989, -7.985, 11.102, 5.491, -10.805, 3.347)


def ccm89(wavelength_nm: Floats) -> tuple[Floats, Floats]:
    """Return a and b of Cardelli, Clayton & Mathis 1989 (ApJ 345, 245, eqs. 2-5).

    They give the infrared power law to 3333 nm. Beyond that it is extrapolated, as is usual.

    Args:
        wavelength_nm: (W,) wavelengths in nm; the law is used from 100 to 5500 nm.

    Returns:
        a, b: (W,) each, so that A(lambda) = E(B-V) (R_V a + b); NaN outside the law's range.
    """
    return _screen(wavelength_nm, _CCM_A, _CCM_B)


def odonnell94(wavelength_nm: Floats) -> tuple[Floats, Floats]:
    """Return a and b of CCM89 with the optical coefficients of O'Donnell 1994 (ApJ 422, 158).

    This is what CIGALE computes under the name CCM89, and hence what PHANGS fitted with.

    >>> a, b = odonnell94(np.array([549.45]))
    >>> float((3.1 * a + b)[0].round(3))
    3.1
    """
    return _screen(wavelength_nm, _ODONNELL_A, _ODONNELL_B)


LAWS: dict[str, Law] = {"odonnell94": odonnell94, "ccm89": ccm89}


def _screen(wavelength_nm: Floats, optical_a: tuple[float, ...], optical_b: tuple[float, ...]) -> tuple[Floats, Floats]:
    x = 1e3 / np.asarray(wavelength_nm, dtype=np.float64)
    a, b = np.full_like(x, np.nan), np.full_like(x, np.nan)

    infrared = (x >= 1e3 / INFRARED_END_NM) & (x < 1.1)
    a[infrared] = 0.574 * x[infrared] ** 1.61
    b[infrared] = -0.527 * x[infrared] ** 1.61

    optical = (x >= 1.1) & (x < 3.3)
    a[optical] = polyval(x[optical] - 1.82, optical_a)
    b[optical] = polyval(x[optical] - 1.82, optical_b)

    near_uv = (x >= 3.3) & (x < 8.0)
    u = x[near_uv]
    y = np.maximum(u - 5.9, 0.0)
    a[near_uv] = 1.752 - 0.316 * u - 0.104 / ((u - 4.67) ** 2 + 0.341) - 0.04473 * y**2 - 0.009779 * y**3
    b[near_uv] = -3.090 + 1.825 * u + 1.206 / ((u - 4.62) ** 2 + 0.263) + 0.2130 * y**2 + 0.1207 * y**3

    far_uv = (x >= 8.0) & (x <= 10.0)
    a[far_uv] = polyval(x[far_uv] - 8.0, (-1.073, -0.628, 0.137, -0.070))
    b[far_uv] = polyval(x[far_uv] - 8.0, (13.670, 4.257, -0.420, 0.374))
    return a, b
