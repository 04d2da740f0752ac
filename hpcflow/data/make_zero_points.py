"""Make the table of Vega zero points from sedpy's spectra of Vega: `python -m hpcflow.data.make_zero_points`.

sedpy has two of CALSPEC. The older is taken for HST's cameras, because it gives the zero points that LEGUS used, and
the newer for NIRCam. The differences from the published ones, which `model.zero_points` prefers, are printed.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from hpcflow.data.make_filters import folder_of
from hpcflow.model.filters import LIGHT_M_PER_S, load_curve, shipped_curves
from hpcflow.model.zero_points import AB_ZERO_MJY, PUBLISHED

__all__ = ["main", "vega_to_ab"]

Floats = NDArray[np.float64]

TABLE = Path(__file__).parent / "zero_points.txt"
HST, JWST = "alpha_lyr_stis_005", "alpha_lyr_stis_011"


def vega_to_ab(band: str) -> float:
    """Return m_AB - m_Vega of a shipped band, -2.5 log10 of Vega's flux density over that of AB's zero point.

    The flux density is int T l f_lambda dl / int T c/l dl.
    """
    curve = load_curve(band)
    vega_nm, vega = _read_vega(JWST if band.startswith("NIRCAM") else HST)
    inside = (vega_nm > curve.wavelength_nm[0]) & (vega_nm < curve.wavelength_nm[-1])
    wl = np.union1d(curve.wavelength_nm, vega_nm[inside])
    throughput = np.interp(wl, curve.wavelength_nm, curve.throughput)
    energy = np.trapezoid(throughput * wl * np.interp(wl, vega_nm, vega), wl)
    per_hz = energy / np.trapezoid(throughput * LIGHT_M_PER_S * 1e9 / wl, wl)  # erg / s / cm2 / Hz
    return float(-2.5 * np.log10(per_hz * 1e26 / AB_ZERO_MJY))


def main() -> int:
    """Write the table, and print how the published zero points differ."""
    found = {band: vega_to_ab(band) for band in shipped_curves()}
    header = [
        "# m_AB - m_Vega of the shipped filter curves",
        f"# source: CALSPEC's {HST} (NIRCam: {JWST}) in astro-sedpy {version('astro-sedpy')}",
        "# licence: MIT (notices in SOURCES.md)",
        "# curve offset_mag",
    ]
    lines = [f"{band} {offset:.3f}" for band, offset in found.items()]
    TABLE.write_text("\n".join([*header, *lines]) + "\n", encoding="ascii")
    for band, offset in PUBLISHED.items():
        print(f"{band}: published {offset:.4f}, ours {found[band] - offset:+.4f} mag from it")
    return 0


def _read_vega(name: str) -> tuple[Floats, Floats]:
    """Return wavelengths [nm] and flux per wavelength [erg / s / cm2 / nm] of a spectrum of Vega."""
    with fits.open(folder_of("sedpy") / "data" / f"{name}.fits") as file:
        rows = file[1].data
        return rows["WAVELENGTH"].astype(np.float64) / 10, rows["FLUX"].astype(np.float64) * 10


if __name__ == "__main__":
    sys.exit(main())
