"""LEGUS catalogues: `.tab` files of Vega magnitudes in five bands (Adamo et al. 2017, ApJ 841, 131)."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.galaxies import instrument_of, normalise_galaxy
from hpcflow.catalogues.matching import Band
from hpcflow.catalogues.read_options import ReadOptions
from hpcflow.catalogues.units import to_mjy
from hpcflow.store.flags import Reason

__all__ = ["NAME", "read_legus"]

NAME = re.compile(r"hlsp_legus_hst_(?P<instrument>[^_]+)_(?P<galaxy>[^_]+)_.*\.tab", re.IGNORECASE)

NO_COVERAGE, NOT_DETECTED = 66.666, 99.999
UVIS = ("F275W", "F336W", "F438W", "F555W", "F814W")
ACS = ("F435W", "F555W", "F814W")

# Columns from zero: 0 id, 3-4 RA and Dec, 5-14 magnitude and error in five bands, 16, 19 and 22 best age
# [yr], mass [M_sun] and E(B-V), each before its highest and lowest, 30 reduced chi^2, 33 class (0: not inspected).
FIRST_BAND, CLASS = 5, 33
AGE, MASS, EBV, CHI2 = 16, 19, 22, 30


def read_legus(path: Path, bands: Sequence[Band], options: ReadOptions) -> Catalogue:
    """Read a LEGUS `.tab` file; distances are NaN.

    The file's name gives the galaxy and the instruments: `wfc3` has all five bands from UVIS, `acs-wfc3` has UVIS
    F275W and F336W and ACS F435W, F555W and F814W, unless the galaxies table knows that UVIS took one of
    these. Magnitudes are corrected for aperture and Milky Way; 66.666 means no coverage, 99.999 no detection.
    A published age of 0 means that there was no fit.

    Args:
        path: a file named `hlsp_legus_hst_{instruments}_{galaxy}_...tab`.
        bands: the config's bands.
        options: the galaxy, if its name is not to be taken from the file's.

    Raises:
        InputError: if the name or the content is not LEGUS's, or the file has no band of the config.
    """
    instruments, galaxy = _named(path, options.galaxy)
    rows = _load(path)
    curves = _curves(instruments, galaxy)
    sources = [_source(band, curves) for band in bands]
    absent = [band for band, source in zip(bands, sources, strict=True) if source is None]
    if len(absent) == len(bands) or any(band.instrument is None for band in absent):
        raise InputError(
            f"{path} has no band {', '.join(f'{band.label} ({band.curve})' for band in absent)}; it has "
            f"{', '.join(curves)}: take these into model.bands, or the others out of it"
        )
    flux, sigma = (np.full((len(rows), len(bands)), np.nan) for _ in range(2))
    reason = np.full((len(rows), len(bands)), Reason.NO_BAND, dtype=np.uint8)
    for i, source in enumerate(sources):
        if source is not None:
            magnitude, error = rows[:, FIRST_BAND + 2 * source], rows[:, FIRST_BAND + 1 + 2 * source]
            flux[:, i], sigma[:, i] = to_mjy(magnitude, error, "Vega", curve=curves[source])
            reason[:, i] = _marks(magnitude, error)
    cluster_class = np.nan_to_num(rows[:, CLASS], nan=0).astype(np.int64)
    return Catalogue(
        galaxy=np.full(len(rows), galaxy),
        cluster_id=np.array([f"{number:.0f}" for number in rows[:, 0]]),
        ra=rows[:, 3],
        dec=rows[:, 4],
        distance=np.full(len(rows), np.nan),
        cluster_class=np.where(cluster_class > 0, cluster_class, -1),
        bands=tuple(band.label for band in bands),
        flux=flux,
        sigma=sigma,
        reason=reason,
        published=_published(rows),
        published_error=_published_error(rows),
    )


def _named(path: Path, galaxy: str | None) -> tuple[str, str]:
    match = NAME.fullmatch(path.name)
    if match is None:
        raise InputError(
            f"{path} is not named as LEGUS names its files, so its instruments are unknown; "
            "rename it to hlsp_legus_hst_{wfc3 or acs-wfc3}_{galaxy}_... .tab, or set infer.format to table"
        )
    return match["instrument"].lower(), normalise_galaxy(galaxy or match["galaxy"])


def _load(path: Path) -> NDArray[np.float64]:
    try:
        if not path.read_text().strip():
            raise InputError(f"{path} has no rows; give a catalogue with at least one cluster")
        rows = np.genfromtxt(path, dtype=np.float64)
    except (ValueError, OSError) as e:
        raise InputError(
            f"{path} cannot be read as a LEGUS table, it may be truncated: fetch it again ({' '.join(str(e).split())})"
        ) from e
    rows = np.atleast_2d(rows)
    if rows.shape[1] <= CLASS:
        raise InputError(f"{path} has {rows.shape[1]} columns where LEGUS has at least {CLASS + 1}; fetch it again")
    return rows


def _curves(instruments: str, galaxy: str) -> tuple[str, ...]:
    """Return the curve of each of the file's five bands, in the file's order."""
    if "acs" not in instruments:
        return tuple(f"WFC3_UVIS.{name}" for name in UVIS)
    optical = [f"{instrument_of(galaxy, name) or 'ACS_WFC'}.{name}" for name in ACS]
    return ("WFC3_UVIS.F275W", "WFC3_UVIS.F336W", *optical)


def _source(band: Band, curves: Sequence[str]) -> int | None:
    """Return which of the file's bands this is, or None."""
    for i, curve in enumerate(curves):
        instrument, _, name = curve.partition(".")
        if name == band.filter_name and band.instrument in (None, instrument):
            return i
    return None


def _marks(magnitude: NDArray[np.float64], error: NDArray[np.float64]) -> NDArray[np.uint8]:
    def marked(mark: float) -> NDArray[np.bool_]:
        return np.isclose(magnitude, mark, atol=1e-3) | np.isclose(error, mark, atol=1e-3)

    causes, reasons = [marked(NO_COVERAGE), marked(NOT_DETECTED)], [Reason.NO_COVERAGE, Reason.NOT_DETECTED]
    return np.select(causes, reasons, Reason.OK).astype(np.uint8)


def _published(rows: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    fitted = (rows[:, AGE] > 0) & (rows[:, MASS] > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = {"log_age": np.log10(rows[:, AGE]), "log_mass": np.log10(rows[:, MASS])}
    values |= {"ebv": rows[:, EBV], "chi2": rows[:, CHI2]}
    return {key: np.where(fitted, value, np.nan) for key, value in values.items()}


def _published_error(rows: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return half the range between the lowest and the highest published fit."""
    fitted = (rows[:, AGE] > 0) & (rows[:, MASS] > 0)
    found = {}
    for name, column in (("log_age", AGE), ("log_mass", MASS), ("ebv", EBV)):
        high, low = rows[:, column + 1], rows[:, column + 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            half = (high - low) / 2 if name == "ebv" else np.log10(high / low) / 2
        found[name] = np.where(fitted & np.isfinite(half) & (half >= 0), half, np.nan)
    return found
