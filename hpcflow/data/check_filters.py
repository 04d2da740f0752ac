"""Check the built filter curves: `python -m hpcflow.data.check_filters`.

Every band that both packages have is made as those are that sedpy lacks, without use of its own total throughput, and
compared with that. What is printed is the pivot wavelengths, and the largest difference in magnitude over all ages
from 1 Myr to 13.8 Gyr and metallicities of the shipped SSP table, without dust and at E(B-V) = 1.5.
"""

import sys

import numpy as np
from numpy.typing import NDArray

from hpcflow.data.make_filters import SEDPY, Nodes, bands_of, build, read_pyphot, read_sedpy
from hpcflow.data.make_ssp import AGES_KEPT_MYR
from hpcflow.data.rebin import EBV_MAX, transmission
from hpcflow.model.filters import Curve, band_weights
from hpcflow.model.tables import load_tables, shipped_tables

__all__ = ["main"]

Floats = NDArray[np.float64]


def main() -> int:
    """Print the errors of every band that both packages have."""
    tables = load_tables(shipped_tables()[0])
    wl_nm, (first, last) = tables[0].wl_nm.astype(np.float64), AGES_KEPT_MYR
    kept = (tables[0].t_myr >= first) & (tables[0].t_myr <= last)
    spectra = np.concatenate([table.spec[:, kept].T for table in tables]).astype(np.float64)
    print("band  pivot in sedpy and built [Angstrom]  error without dust and with much [mag]")
    for camera in ("WFC3_UVIS", "WFC3_IR", "ACS_WFC"):
        for band in bands_of({camera: SEDPY[camera]}):
            total, built = (_curve(nodes) for nodes in (read_sedpy(band), _like_those_lacking(band)))
            errors = []
            for ebv in (0.0, EBV_MAX):
                light = spectra * transmission(wl_nm, ebv)
                ratio = (light @ band_weights(built, wl_nm)) / (light @ band_weights(total, wl_nm))
                errors.append(np.abs(2.5 * np.log10(ratio)).max())
            print(f"{band}  {10 * total.pivot_nm:.1f} {10 * built.pivot_nm:.1f}  {errors[0]:.4f} {errors[1]:.4f}")
    return 0


def _like_those_lacking(band: str) -> Nodes:
    return read_pyphot(band) if band.startswith("ACS") else build(band)


def _curve(nodes: Nodes) -> Curve:
    wl, throughput = nodes
    return Curve(wl / 10, throughput)


if __name__ == "__main__":
    sys.exit(main())
