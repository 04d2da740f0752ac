"""Recovery of known truths: joining the truth to the archive, and how often posteriors recover it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.catalogues.galaxies import normalise_galaxy
from hpcflow.catalogues.plain import numbers, strings
from hpcflow.catalogues.table_files import load_table
from hpcflow.catalogues.units import in_unit
from hpcflow.store.kind import close, leading
from hpcflow.store.summary import units

__all__ = ["Recovery", "best_mode", "find_truth", "join_truth", "recovery"]

Floats = NDArray[np.floating]

CATASTROPHIC_DEX = 1.0
LARGEST = 1e30  # truth; what is beyond stands for something else, and cannot be drawn


@dataclass(frozen=True)
class Recovery:
    """Recovery of the truth of N clusters, as shares between 0 and 1 with binomial standard errors.

    Args:
        of: the leading parameter, of clusters log_age.
        limit: how far it may be off and count as right, 0.3 dex for clusters.
        clusters: N, the number of clusters with a posterior and a truth.
        close: share of clusters whose MAP age is right.
        catastrophic: share of clusters whose MAP age is wrong by ten times or more.
        catastrophic_best: the same for the mode nearest in age.
        coverage: share of truths within the central 68 % interval, by parameter.
        flow: the same for the flow's own samples; empty if these were not weighted.
    """

    of: str
    limit: float
    clusters: int
    close: float
    catastrophic: float
    catastrophic_best: float
    coverage: Mapping[str, float]
    flow: Mapping[str, float]

    def error(self, share: float) -> float:
        """Return the standard error of a share of these clusters."""
        return float(np.sqrt(share * (1 - share) / max(self.clusters, 1)))


def find_truth(catalogues: Sequence[Any], run: Path) -> list[Path]:
    """Return the files NAME_truth.fits next to catalogues NAME.fits.

    Args:
        catalogues: paths of the config, relative to the working directory or else to the run folder.
        run: the run folder.
    """
    found = []
    for name in map(str, catalogues):
        sibling = Path(name.removesuffix(".fits") + "_truth.fits")
        found += [path for path in (sibling, run / sibling) if name.endswith(".fits") and path.is_file()][:1]
    return found


def join_truth(archive: xr.Dataset, files: Sequence[Path]) -> Floats:
    """Return the truth (N, D) of the archive's clusters, NaN where it is unknown.

    Args:
        archive: dataset with galaxy, cluster_id and parameter.
        files: tables with galaxy, cluster_id and a column named after each parameter; units are converted.

    Raises:
        InputError: if a table lacks galaxy or cluster_id, or a unit does not fit.
    """
    names, declared = [str(name) for name in archive["parameter"].values], units(archive)
    known: dict[tuple[str, str], Floats] = {}
    for path in files:
        known |= _rows(path, {name: declared.get(name, "") for name in names})
    nothing = np.full(len(names), np.nan)
    keys = zip(archive["galaxy"].values.tolist(), archive["cluster_id"].values.tolist(), strict=True)
    return np.array([known.get(key, nothing) for key in keys]).reshape(-1, len(names))


def best_mode(archive: xr.Dataset, truth: Floats, parameter: str | None = None) -> Floats:
    """Return each object's mode (N, D) nearest to the truth in one parameter, by default the leading one.

    It is NaN if there is no mode.
    """
    column = list(archive["parameter"].values).index(parameter or leading(archive.attrs))
    modes = archive["mode"].values
    away = np.abs(modes[:, :, column] - truth[:, None, column])
    nearest = np.argmin(np.where(np.isfinite(away), away, np.inf), axis=1)
    return np.asarray(modes[np.arange(len(modes)), nearest])


def recovery(archive: xr.Dataset, truth: Floats) -> Recovery | None:
    """Return the recovery of the truth; None if no object has both a true leading parameter and a posterior.

    Args:
        archive: dataset with map, mode and quantile (16, 50, 84 %), and quantile_flow if there are weights.
        truth: (N, D) true parameters from `join_truth`.
    """
    names = [str(name) for name in archive["parameter"].values]
    first, limit = leading(archive.attrs), close(archive.attrs, leading(archive.attrs))
    if first not in names or not np.isfinite(limit):
        return None
    age = names.index(first)
    good = np.isfinite(truth[:, age]) & np.isfinite(archive["map"].values).all(axis=1)
    if not good.any():
        return None
    wrong = np.abs(archive["map"].values[:, age] - truth[:, age])[good]
    wrong_best = np.abs(best_mode(archive, truth)[:, age] - truth[:, age])[good]
    known = np.flatnonzero(np.isfinite(truth[good]).all(axis=0))

    def inside(name: str) -> dict[str, float]:
        low, high = (archive[name].isel(quantile=i).values for i in (0, 2))
        return {names[d]: float(((truth >= low) & (truth <= high))[good, d].mean()) for d in known}

    return Recovery(
        of=first,
        limit=limit,
        clusters=int(good.sum()),
        close=float((wrong <= limit).mean()),
        catastrophic=float((wrong >= CATASTROPHIC_DEX).mean()),
        catastrophic_best=float((wrong_best >= CATASTROPHIC_DEX).mean()),
        coverage=inside("quantile"),
        flow=inside("quantile_flow") if "quantile_flow" in archive else {},
    )


def _rows(path: Path, wanted: Mapping[str, str]) -> dict[tuple[str, str], Floats]:
    """Return the wanted parameters (D,) by galaxy and identifier, in their units, NaN if the table lacks the column."""
    table = load_table(path)
    if lacks := [name for name in ("galaxy", "cluster_id") if name not in table.colnames]:
        raise InputError(
            f"{path} has no column {' and '.join(lacks)}; add it, or move the file away to go on without a truth "
            f"(it has {', '.join(table.colnames)})"
        )
    galaxy = [normalise_galaxy(name) for name in strings(table["galaxy"])]

    def column(name: str, unit: str) -> Floats:
        if name not in table.colnames:
            return np.full(len(table), np.nan)
        values = numbers(table[name])
        values = in_unit(values, table[name], unit, path) if unit else values
        return np.where(np.abs(values) < LARGEST, values, np.nan)

    values = np.stack([column(name, unit) for name, unit in wanted.items()], axis=1)
    return dict(zip(zip(galaxy, strings(table["cluster_id"]).tolist(), strict=True), values, strict=True))
