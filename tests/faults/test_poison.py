"""Rows that cannot be right: each is flagged, and its neighbours come out as if it were not there."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from astropy.table import Table

from hpcflow.compute.where import InProcess
from hpcflow.config.load import load_config
from hpcflow.stages.infer import infer
from hpcflow.stages.run import Run
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.flags import Flag

BANDS = ("F275W", "F336W", "F438W", "F555W", "F814W")


class Poison(NamedTuple):
    """A value in one column, or in all of a kind, and a flag that says so; None where it is mended."""

    columns: tuple[str, ...]
    value: float
    flag: Flag | None


FLUXES, ERRORS = tuple(f"{b}_flux" for b in BANDS), tuple(f"{b}_err" for b in BANDS)
POISONS = [
    Poison(("F438W_flux",), np.nan, Flag.BAD_VALUE),
    Poison(("F438W_flux",), np.inf, Flag.BAD_VALUE),
    Poison(("F438W_flux",), -np.inf, Flag.BAD_VALUE),
    Poison(("F438W_flux",), 1e300, Flag.FLUX_OUTSIDE_TRAINING),
    Poison(("F438W_flux",), 1e-300, Flag.UPPER_LIMIT),
    Poison(("F438W_flux",), 0.0, Flag.UPPER_LIMIT),
    Poison(("F438W_flux",), -1.0, Flag.FLUX_OUTSIDE_TRAINING),
    Poison(("F438W_err",), 0.0, Flag.BAD_VALUE),
    Poison(("F438W_err",), -1.0, Flag.BAD_VALUE),
    Poison(("F438W_err",), np.nan, Flag.BAD_VALUE),
    Poison(("F438W_err",), 1e300, Flag.ERROR_OUTSIDE_TRAINING),
    Poison(FLUXES, np.nan, Flag.TOO_FEW_BANDS),
    Poison(FLUXES, 1e300, Flag.FAILED),
    Poison(ERRORS, np.inf, Flag.TOO_FEW_BANDS),
    Poison(("distance",), 1e12, Flag.GIVEN_OUTSIDE_TRAINING),
    Poison(("distance",), 1e-9, Flag.GIVEN_OUTSIDE_TRAINING),
    Poison(("distance",), 0.0, None),
    Poison(("distance",), np.nan, None),
    Poison(("distance",), -3.0, None),
]


def table(n: int) -> Table:
    rng = np.random.default_rng(1)
    columns = {"galaxy": ["NGC1566"] * n, "cluster_id": [f"c{i}" for i in range(n)], "distance": np.full(n, 17.69)}
    for band in BANDS:
        columns[f"{band}_flux"] = 10 ** rng.normal(-3.5, 0.2, n)
        columns[f"{band}_err"] = 0.1 * columns[f"{band}_flux"]
    return Table(columns)


def inferred_table(rows: Table, folder: Path, config: Path, flow: Run) -> xr.Dataset:
    folder.mkdir()
    rows.write(folder / "rows.csv", format="ascii.csv")
    sets = [f"infer.catalogues=[{folder / 'rows.csv'}]", f"infer.flow={flow.path}", "infer.partition=8"]
    infer(load_config(config, sets), Run(folder / "run"), InProcess())
    return PosteriorArchive.open(folder / "run" / "posteriors.zarr").dataset().load()


def test_poison_stays_in_its_row(
    tmp_path: Path,
    tiny: Callable[..., Path],
    inferred: Run,
) -> None:
    n = 2 * len(POISONS) + 1
    clean, poisoned = table(n), table(n)
    for i, poison in enumerate(POISONS):
        for column in poison.columns:
            poisoned[column][2 * i + 1] = poison.value
    expected = inferred_table(clean, tmp_path / "clean", tiny(), inferred)
    found = inferred_table(poisoned, tmp_path / "poisoned", tiny(), inferred)
    neighbours = np.arange(n) % 2 == 0
    by_cluster = [name for name in found.variables if "cluster" in found[name].dims]
    for name in by_cluster:
        one, other = (np.asarray(ds[name].values[neighbours]) for ds in (found, expected))
        assert one.tobytes() == other.tobytes() if one.dtype.kind != "T" else (one == other).all(), name
    for i, poison in enumerate(POISONS):
        row = 2 * i + 1
        if poison.flag is None:  # the galaxy's distance is taken
            assert found["distance"].values[row] == 17.69
            np.testing.assert_array_equal(found["theta"].values[row], expected["theta"].values[row])
        else:
            assert Flag(int(found["flag"].values[row])) & poison.flag, poison
        has = np.isfinite(found["map"].values[row]).all()
        lost = Flag(int(found["flag"].values[row])) & (Flag.FAILED | Flag.TOO_FEW_BANDS)
        assert has != bool(lost), poison
        assert np.isfinite(found["theta"].values[row]).all() == has, poison
