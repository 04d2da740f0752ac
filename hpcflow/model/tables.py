"""SSP tables: spectra of simple stellar populations on age and wavelength nodes."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from hpcflow.errors import InputError

__all__ = ["SspTable", "load_ssp", "shipped_tables"]

Floats = NDArray[np.floating]

FOLDER = Path(__file__).parent.parent / "data" / "ssp"


@dataclass(frozen=True)
class SspTable:
    """Spectra of one metallicity: ages (T,) in Myr, nodes (W,) in nm, spec (W, T) in W/nm per solar mass formed."""

    t_myr: Floats
    wl_nm: Floats
    spec: Floats

    @property
    def digest(self) -> str:
        """A hash of the table's numbers, kept in every store that used it."""
        return hashlib.sha256(b"".join(a.tobytes() for a in (self.t_myr, self.wl_nm, self.spec))).hexdigest()[:16]


def shipped_tables() -> list[str]:
    """Return the names of the tables that travel with the package."""
    return sorted(p.stem for p in FOLDER.glob("*.npz"))


def load_ssp(name_or_path: str, metallicity: float) -> SspTable:
    """Return a shipped SSP table by its name, or one from an `.npz` file.

    The file holds `t_myr` (T,), `wl_nm` (W,) and either `spec` (W, T), one metallicity, or `metallicity` (Z,)
    and `spec` (Z, W, T).

    Args:
        name_or_path: which table.
        metallicity: mass fraction of metals wanted; one of those in the table, where it lists them.

    Raises:
        InputError: if there is no such table, it has another form, or lacks the metallicity.
    """
    path = FOLDER / f"{name_or_path}.npz"
    if not path.is_file():
        path = Path(name_or_path)
    if not path.is_file():
        raise InputError(
            f"SSP table {name_or_path} is neither a file nor shipped; shipped are {', '.join(shipped_tables())}"
        )
    try:
        with np.load(path, allow_pickle=False) as file:
            t_myr, wl_nm, spec = (np.asarray(file[key], dtype=np.float64) for key in ("t_myr", "wl_nm", "spec"))
            listed = np.atleast_1d(file["metallicity"]) if "metallicity" in file else None
    except (KeyError, ValueError, TypeError, EOFError, OSError, BadZipFile) as e:
        raise InputError(f"SSP table {path}: expected an .npz with t_myr, wl_nm and spec ({e})") from e
    if spec.ndim == 3 or listed is not None:
        spec = np.reshape(spec, (-1, *spec.shape[-2:]))
        spec = spec[_nearest(path, listed, len(spec), metallicity)]
    if spec.shape != (len(wl_nm), len(t_myr)):
        raise InputError(
            f"SSP table {path}: spec is {spec.shape}, expected wavelengths x ages {len(wl_nm), len(t_myr)}"
        )
    finite = all(np.isfinite(a).all() for a in (t_myr, wl_nm, spec))
    if not finite or (np.diff(t_myr) <= 0).any() or (np.diff(wl_nm) <= 0).any():
        raise InputError(f"SSP table {path}: ages and wavelengths must rise and every number be finite")
    return SspTable(t_myr, wl_nm, np.ascontiguousarray(spec))


def _nearest(path: Path, listed: Floats | None, count: int, metallicity: float) -> int:
    if listed is None or len(listed) != count:
        raise InputError(f"SSP table {path}: `metallicity` must list one number for each of the {count} tables in spec")
    index = int(np.argmin(np.abs(listed - metallicity)))
    if not np.isclose(listed[index], metallicity, rtol=1e-6):
        raise InputError(
            f"SSP table {path} has no metallicity {metallicity}; it has {', '.join(f'{z:g}' for z in listed)}"
        )
    return index
