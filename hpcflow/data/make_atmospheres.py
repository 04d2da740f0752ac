"""Make the shipped table of stars' light: `python -m hpcflow.data.make_atmospheres FOLDER`.

FOLDER holds `model_grid_BOSZ.dat` and `model_grid_TLUSTY.dat` of the package astroARIADNE (not a dependency of
hpcflow): model atmospheres of 2800 to 14 500 K (BOSZ: Bohlin et al. 2017, AJ 153, 234) and of 15 000 to 55 000 K
(TLUSTY: Lanz & Hubeny 2003 and 2007, ApJS 146, 417 and 169, 83), seen in broad bands. What is kept is by how much each
is brighter than a black body of its temperature, at the pivot wavelengths of the bands.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.black_body import surface_flux

__all__ = ["corrections", "main", "read_grid"]

Floats = NDArray[np.float64]

TABLE = Path(__file__).parent / "atmospheres" / "bosz_tlusty.npz"
# Pivot wavelengths in nm of bands that are narrow, or where there are no narrower ones.
PIVOT_NM = {
    "GALEX_FUV": 153.86,
    "GALEX_NUV": 231.57,
    "STROMGREN_u": 346.2,
    "SkyMapper_v": 383.6,
    "STROMGREN_v": 410.8,
    "STROMGREN_b": 467.0,
    "STROMGREN_y": 547.6,
    "SDSS_r": 617.6,
    "SDSS_i": 749.0,
    "SDSS_z": 894.7,
    "PS1_y": 963.3,
    "2MASS_J": 1235.8,
    "2MASS_H": 1645.8,
    "2MASS_Ks": 2160.3,
    "WISE_RSR_W1": 3352.6,
    "SPITZER_IRAC_45": 4504.9,
}
METALLICITY = (-1.75, -0.75, -0.5, 0.0, 0.25)  # [M/H]
LOG_G = np.arange(-0.5, 5.6, 0.5)
HOT = 15_000.0  # where TLUSTY begins
PER_H = 4 * np.pi  # BOSZ lists Eddington fluxes
W_M2_NM = 1e-6  # of erg / s / cm^2 / micrometre
STEPS = 1000  # logarithms are kept in thousandths
FAINTEST = 1e-6  # relative to a black body; below it a model's flux is not known


def read_grid(path: Path) -> tuple[Floats, Floats]:
    """Return temperature, log g and [M/H] (N, 3), and surface fluxes (N, W) at the pivots, as the file has them."""
    with path.open(encoding="ascii") as file:
        names = file.readline().lstrip("#").split()
    table = np.loadtxt(path)
    return table[:, :3], table[:, [names.index(band) for band in PIVOT_NM]]


def corrections(stars: Floats, flux: Floats) -> tuple[Floats, Floats]:
    """Return the temperatures (T,), and log10 of flux over that of a black body (M, T, G, W).

    Where a model is missing, it is that of the nearest gravity.

    Args:
        stars: temperature, log g and [M/H] (N, 3).
        flux: (N, W) surface fluxes in W / m^2 / nm.
    """
    wl_nm, temperatures = np.array(list(PIVOT_NM.values())), np.unique(stars[:, 0])
    ratio = np.maximum(flux / surface_flux(stars[:, :1], wl_nm), FAINTEST)
    found = np.empty((len(METALLICITY), len(temperatures), len(LOG_G), len(wl_nm)))
    for m, t, g in np.ndindex(found.shape[:3]):
        # A [M/H] that is not there is as far off as a temperature that is not.
        away = 1e6 * np.abs(stars[:, 0] - temperatures[t]) + 1e3 * np.abs(stars[:, 2] - METALLICITY[m])
        found[m, t, g] = np.log10(ratio[np.argmin(away + np.abs(stars[:, 1] - LOG_G[g]))])
    return temperatures, found


def main(arguments: list[str]) -> int:
    """Write the table to `atmospheres`."""
    folder = Path(arguments[0])
    cool, cool_flux = read_grid(folder / "model_grid_BOSZ.dat")
    hot, hot_flux = read_grid(folder / "model_grid_TLUSTY.dat")
    kept = cool[:, 0] < HOT
    stars = np.concatenate([cool[kept], hot])
    flux = W_M2_NM * np.concatenate([PER_H * cool_flux[kept], hot_flux])
    temperatures, found = corrections(stars, flux)
    np.savez(  # uncompressed, because versions of zlib write different bytes
        TABLE,
        log_z=np.array(METALLICITY),
        teff=temperatures,
        log_g=LOG_G,
        wl_nm=np.array(list(PIVOT_NM.values())),
        log_ratio=np.rint(STEPS * found).astype(np.int16),
    )
    print(f"{TABLE.name}: {found.shape}, {TABLE.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
