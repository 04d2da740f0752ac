"""LEGUS catalogues: `.tab` files of Vega magnitudes in five bands (Adamo et al. 2017, ApJ 841, 131)."""

import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.galaxies import bands_of, instrument_of, normalise_galaxy
from hpcflow.catalogues.matching import Band
from hpcflow.catalogues.read_options import ReadOptions
from hpcflow.catalogues.sentinels import marks, without_sentinels
from hpcflow.catalogues.units import to_mjy
from hpcflow.store.flags import LEAST_BANDS, SPELT, Reason

__all__ = ["CAMERAS", "is_legus", "legus_curves", "read_legus"]

CAMERAS = {"legus-acs": "acs-wfc3", "legus-uvis": "wfc3"}  # infer.format: the instruments in LEGUS's own names
_NAME = re.compile(r"hlsp_legus_hst_(?P<instrument>[^_]+)_(?P<galaxy>[^_]+)_.*\.tab", re.IGNORECASE)

UVIS = ("F275W", "F336W", "F438W", "F555W", "F814W")
ACS = ("F435W", "F555W", "F814W")

# Columns from zero: 5-14 magnitude and error in five bands, 16, 19 and 22 best age [yr], mass [M_sun] and E(B-V), each
# before its highest and lowest, 30 reduced chi^2, 33 class (0: not inspected).
ID, RA, DEC, FIRST_BAND, CLASS = 0, 3, 4, 5, 33
AGE, MASS, EBV, CHI2 = 16, 19, 22, 30
LOOKED_AT = 50  # rows by which a file is recognised


def read_legus(path: Path, bands: Sequence[Band], options: ReadOptions) -> Catalogue:
    """Read a LEGUS `.tab` file; distances are NaN.

    The file's name `hlsp_legus_hst_{instruments}_{galaxy}_...tab` gives the galaxy and the instruments: `wfc3` has all
    five bands from UVIS, `acs-wfc3` has UVIS F275W and F336W and ACS F435W, F555W and F814W, unless the galaxies
    table knows that UVIS took one of these. A file of another name needs `options.galaxy`, and its instruments are
    those of the galaxies table or of `options.format`. Magnitudes are corrected for aperture and Milky Way; 66.666
    means no coverage, 99.999 no detection. A published age of 0 means that there was no fit.

    Args:
        path: the file.
        bands: the config's bands.
        options: the galaxy and the format, if the file's name does not say them or is wrong.

    Raises:
        InputError: if the galaxy or the instruments are unknown, the content is not LEGUS's, or the file lacks bands of
            the config that it should have.
    """
    rows = _load(path)
    galaxy = _galaxy(path, options.galaxy)
    curves = legus_curves(path, galaxy, options.format)
    sources = [_source(band, curves) for band in bands]
    notes = _lacking(path, bands, sources, curves, options.may_lack)
    flux, sigma = (np.full((len(rows), len(bands)), np.nan) for _ in range(2))
    reason = np.full((len(rows), len(bands)), Reason.NO_BAND, dtype=np.uint8)
    for i, source in enumerate(sources):
        if source is not None:
            magnitude, error = rows[:, FIRST_BAND + 2 * source], rows[:, FIRST_BAND + 1 + 2 * source]
            flux[:, i], sigma[:, i] = to_mjy(magnitude, error, "Vega", curve=curves[source])
            reason[:, i] = marks(magnitude, error, magnitudes=True)
    fits = without_sentinels(rows)
    cluster_class = np.nan_to_num(rows[:, CLASS], nan=0).astype(np.int64)
    return Catalogue(
        galaxy=np.full(len(rows), galaxy),
        cluster_id=np.array([f"{number:.0f}" for number in rows[:, ID]]),
        ra=rows[:, RA],
        dec=rows[:, DEC],
        distance=np.full(len(rows), np.nan),
        cluster_class=np.where(cluster_class > 0, cluster_class, -1),
        bands=tuple(band.label for band in bands),
        flux=flux,
        sigma=sigma,
        reason=reason,
        published=_published(fits),
        published_error=_published_error(fits),
        notes=notes,
    )


def legus_curves(path: Path, galaxy: str | None, format: str) -> tuple[str, ...]:
    """Return the curve of each of a LEGUS file's five bands, in the file's order.

    Args:
        path: the file.
        galaxy: its galaxy, if the file's name does not say it.
        format: "legus", or one of `CAMERAS`.

    Raises:
        InputError: if the galaxy or the instruments are unknown.
    """
    galaxy = _galaxy(path, galaxy)
    if "acs" not in _instruments(path, galaxy, format):
        return tuple(f"WFC3_UVIS.{name}" for name in UVIS)
    optical = [f"{instrument_of(galaxy, name) or 'ACS_WFC'}.{name}" for name in ACS]
    return ("WFC3_UVIS.F275W", "WFC3_UVIS.F336W", *optical)


def is_legus(path: Path) -> bool:
    """Return whether a file is a LEGUS catalogue: by its name, or because its first rows can be nothing else."""
    if _NAME.fullmatch(path.name):
        return True
    try:
        with path.open() as file:
            rows = np.atleast_2d(np.genfromtxt([line for line in islice(file, LOOKED_AT) if line.strip()]))
    except (OSError, ValueError):
        return False
    if rows.shape[1] <= CLASS:
        return False
    pairs = rows[:, FIRST_BAND : FIRST_BAND + 2 * len(UVIS)].reshape(len(rows), -1, 2)
    magnitude, error = pairs[..., 0], pairs[..., 1]
    usual = (magnitude > 10) & (magnitude < 35) & (error >= 0) & (error < 10)
    marked = marks(magnitude, error, magnitudes=True) != Reason.OK
    limits = {ID: (0, np.inf), RA: (0, 360), DEC: (-90, 90), CLASS: (0, 4)}
    within = [(rows[:, column] >= low) & (rows[:, column] <= high) for column, (low, high) in limits.items()]
    return bool(np.all(within) and (marked | usual | np.isnan(magnitude + error)).all())


def _galaxy(path: Path, given: str | None) -> str:
    match = _NAME.fullmatch(path.name)
    if given is None and match is None:
        raise InputError(f"{path} is not named as LEGUS names its files, so its galaxy is unknown; set infer.galaxy")
    return normalise_galaxy(given or (match["galaxy"] if match else ""))


def _instruments(path: Path, galaxy: str, format: str) -> str:
    """Return the instruments as LEGUS's names have them: as asked for, else from the file's name, else the galaxy's."""
    if format in CAMERAS:
        return CAMERAS[format]
    if match := _NAME.fullmatch(path.name):
        return match["instrument"].lower()
    known = {band.partition(".")[2] for band in bands_of(galaxy) or ()}
    for instruments, names in (("wfc3", UVIS), ("acs-wfc3", ACS)):
        if known.issuperset(names):
            return instruments
    raise InputError(
        f"{path} does not say which camera took its B, V and I, nor is that known of {galaxy}; "
        f"set infer.format to {' or '.join(CAMERAS)}"
    )


def _lacking(
    path: Path, bands: Sequence[Band], sources: Sequence[int | None], curves: Sequence[str], may_lack: bool
) -> tuple[str, ...]:
    """Return a remark on the bands of the user's own curves that the file lacks, or raise if it must have them."""
    absent = [band for band, source in zip(bands, sources, strict=True) if source is None]
    own = [band for band in absent if band.instrument is None]
    if len(bands) - len(absent) < LEAST_BANDS or (own and not may_lack):
        raise InputError(
            f"{path} has no band {', '.join(f'{band.label} ({band.curve})' for band in absent)}; it has "
            f"{', '.join(curves)}: use a config, and a flow, with at least {SPELT[LEAST_BANDS]} of these in model.bands"
        )
    return tuple(f"{path.name} lacks {band.label}: it is masked for all its clusters" for band in own)


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


def _source(band: Band, curves: Sequence[str]) -> int | None:
    """Return which of the file's bands this is, or None."""
    for i, curve in enumerate(curves):
        instrument, _, name = curve.partition(".")
        if name == band.filter_name and band.instrument in (None, instrument):
            return i
    return None


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
