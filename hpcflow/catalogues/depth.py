"""How deep the survey is: the error of a cluster's flux in each band, as LEGUS catalogues have it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["DEPTHS", "SHARED", "Depth", "photometric_error"]

Floats = NDArray[np.float64]


class Depth(NamedTuple):
    """The error of one band: sigma^2 = sky^2 exp(2 scatter z) + gain f, with z standard normal.

    Args:
        sky: median error of a cluster without light, mJy.
        gain: growth of the variance with flux, mJy.
        scatter: standard deviation of the logarithm of the sky's error from cluster to cluster.
    """

    sky: float
    gain: float
    scatter: float


# Fitted on 2026-11-27 to the errors of class 1, 2 and 3 objects in two public LEGUS catalogues (Calzetti et al. 2015,
# AJ 149, 51; Adamo et al. 2017, ApJ 841, 131): 1573 in NGC 1566 (all five bands from UVIS) and 1017 in NGC 628 C
# (optical bands from ACS). Magnitudes were converted to mJy; sky, gain, scatter and a relative error that all clusters
# share (3 to 8 %, from the aperture correction) are those whose sigma has the 5, 16, 50, 84 and 95 % quantiles of the
# catalogue at every flux. The relative error is left out because it is a systematic. Both catalogues have F275W (skies
# of 50 and 68 nJy) and F336W (58 and 40); the means of both are listed. Exposures of PHANGS-HST are about as long.
DEPTHS = {
    "WFC3_UVIS.F275W": Depth(58e-6, 1.8e-6, 0.28),
    "WFC3_UVIS.F336W": Depth(48e-6, 1.6e-6, 0.30),
    "WFC3_UVIS.F438W": Depth(71e-6, 1.9e-6, 0.48),
    "WFC3_UVIS.F555W": Depth(47e-6, 0.47e-6, 0.69),
    "WFC3_UVIS.F814W": Depth(87e-6, 0.94e-6, 0.48),
    "ACS_WFC.F435W": Depth(27e-6, 0.53e-6, 0.60),
    "ACS_WFC.F555W": Depth(36e-6, 0.84e-6, 0.58),
    "ACS_WFC.F814W": Depth(59e-6, 0.72e-6, 0.59),
}
SHARED = 0.5  # correlation of z between the bands of a cluster: its surroundings are bright in all (0.2 to 0.8 there)


def photometric_error(flux: Floats, depth: Depth, common: Floats, own: Floats) -> Floats:
    """Return the standard deviation (N,) in mJy of photon and sky noise.

    Args:
        flux: (N,) true fluxes, mJy.
        depth: the band's.
        common: (N,) standard normal, the same in all bands of a cluster.
        own: (N,) standard normal, of this band.

    >>> float(photometric_error(np.zeros(1), Depth(5e-5, 1e-6, 0.3), np.zeros(1), np.zeros(1))[0])
    5e-05
    """
    z = np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * own
    return np.asarray(np.sqrt((depth.sky * np.exp(depth.scatter * z)) ** 2 + depth.gain * flux))
