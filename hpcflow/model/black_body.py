"""The light of a black body."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["STEFAN_BOLTZMANN", "surface_flux"]

Floats = NDArray[np.float64]

STEFAN_BOLTZMANN = 5.670374419e-8  # W / m^2 / K^4
FIRST, SECOND = 3.741771852e20, 1.438776877e7  # 2 pi h c^2 in W nm^4 / m^2, and h c / k in nm K


def surface_flux(teff: Floats, wl_nm: Floats) -> Floats:
    """Return pi B_lambda(T) (...) in W / m^2 / nm, for temperatures in K and wavelengths in nm that broadcast.

    >>> wl_nm = np.geomspace(100, 1e6, 4000)
    >>> whole = np.trapezoid(surface_flux(np.array(5772.0), wl_nm), wl_nm)
    >>> round(float(whole / (STEFAN_BOLTZMANN * 5772.0**4)), 3)
    1.0
    """
    return np.asarray(FIRST / (wl_nm**5 * np.expm1(SECOND / (wl_nm * teff))))
