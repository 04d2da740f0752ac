"""SSP tables: spectra of simple stellar populations on age and wavelength nodes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.model.table_formats import FORMATS

__all__ = ["SspTable", "digest_tables", "load_ssp", "load_tables", "shipped_tables"]

Floats = NDArray[np.floating]

FOLDER = Path(__file__).parent.parent / "data" / "ssp"


@dataclass(frozen=True)
class SspTable:
    """Spectra of one metallicity: ages (T,) in Myr, nodes (W,) in nm, spec (W, T) in W/nm per solar mass formed.

    mass_fraction (T,) is the fraction of the mass formed that is in living stars, None where the table lacks it.
    """

    t_myr: Floats
    wl_nm: Floats
    spec: Floats
    metallicity: float = np.nan
    mass_fraction: Floats | None = None

    @property
    def digest(self) -> str:
        """A hash of the table's numbers, kept in every store that used it."""
        return hashlib.sha256(b"".join(a.tobytes() for a in (self.t_myr, self.wl_nm, self.spec))).hexdigest()[:16]


def digest_tables(tables: Sequence[SspTable]) -> str:
    """Return a hash of the numbers of one or several tables."""
    if len(tables) == 1:
        return tables[0].digest
    return hashlib.sha256(", ".join(f"{t.metallicity!r}={t.digest}" for t in tables).encode()).hexdigest()[:16]


def shipped_tables() -> list[str]:
    """Return the names of the tables that travel with the package."""
    return sorted(p.stem for p in FOLDER.glob("*.npz"))


def load_ssp(name_or_path: str, metallicity: float) -> SspTable:
    """Return the SSP table of one metallicity, a shipped one by name or another from a file.

    Args:
        name_or_path: which table; see `load_tables`.
        metallicity: mass fraction of metals; it must be one of the table's, where the table lists them.

    Raises:
        InputError: if there is no such table, its format is unknown, or it lacks the metallicity.
    """
    tables = load_tables(name_or_path)
    listed = np.array([table.metallicity for table in tables])
    if len(tables) == 1 and np.isnan(listed[0]):
        return replace(tables[0], metallicity=metallicity)
    index = int(np.argmin(np.abs(listed - metallicity)))
    if not np.isclose(listed[index], metallicity, rtol=1e-6):
        raise InputError(
            f"SSP table {name_or_path} has no metallicity {metallicity}; it has {', '.join(f'{z:g}' for z in listed)}"
        )
    return tables[index]


def load_tables(name_or_path: str) -> list[SspTable]:
    """Return the SSP tables of all metallicities in ascending order, shipped ones by name or others from a file.

    A file is an `.npz` with `t_myr` (T,), `wl_nm` (W,) and either `spec` (W, T), one metallicity, or `metallicity`
    (Z,) and `spec` (Z, W, T), or a file in one of the formats of `model.table_formats`.

    Raises:
        InputError: if there is no such table or its format is unknown.
    """
    path = FOLDER / f"{name_or_path}.npz"
    if not path.is_file():
        path = Path(name_or_path)
    if not path.is_file():
        raise InputError(
            f"SSP table {name_or_path} is neither a file nor shipped; shipped tables are {', '.join(shipped_tables())}"
        )
    read, form = next(known for suffix, known in FORMATS.items() if path.name.lower().endswith(suffix))
    try:
        t_myr, wl_nm, spec, listed, living = read(path)
    except (KeyError, ValueError, TypeError, EOFError, OSError, StopIteration, BadZipFile) as e:
        raise InputError(f"SSP table {path}: expected {form} ({e})") from e
    if spec.ndim == 2 and listed is None:
        return [_checked(path, t_myr, wl_nm, spec, np.nan, living)]
    spec = np.reshape(spec, (-1, *spec.shape[-2:]))
    fractions = [None] * len(spec) if living is None else np.reshape(living, (-1, len(t_myr)))
    if listed is None or len(listed) != len(spec):
        raise InputError(
            f"SSP table {path}: `metallicity` must list one number for each of the {len(spec)} tables in spec"
        )
    if len(fractions) != len(spec):
        raise InputError(
            f"SSP table {path}: `mass_fraction` must have a row for each of the {len(spec)} tables in spec"
        )
    return [_checked(path, t_myr, wl_nm, spec[i], float(listed[i]), fractions[i]) for i in np.argsort(listed)]


def _checked(
    path: Path, t_myr: Floats, wl_nm: Floats, spec: Floats, metallicity: float, mass_fraction: Floats | None
) -> SspTable:
    if spec.shape != (len(wl_nm), len(t_myr)):
        raise InputError(
            f"SSP table {path}: spec is {spec.shape}, expected wavelengths x ages {len(wl_nm), len(t_myr)}"
        )
    finite = all(np.isfinite(a).all() for a in (t_myr, wl_nm, spec))
    if not finite or (np.diff(t_myr) <= 0).any() or (np.diff(wl_nm) <= 0).any():
        raise InputError(f"SSP table {path}: ages and wavelengths must increase, and all numbers must be finite")
    return SspTable(t_myr, wl_nm, np.ascontiguousarray(spec), metallicity, mass_fraction)
