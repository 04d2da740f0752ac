"""`hpcflow flux`: model fluxes for the parameters in a table."""

from pathlib import Path

import numpy as np
from astropy.table import Column, Table
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.catalogues.plain import COLUMNS, load_table, numbers
from hpcflow.catalogues.units import in_unit
from hpcflow.catalogues.write import refuse_unknown, write_rows
from hpcflow.config.load import Config
from hpcflow.model.observe import scale
from hpcflow.stages.build import build_prior, simulator_over

__all__ = ["flux"]

AT_10_PC = 1e-5  # Mpc
LABELS = ("galaxy", *COLUMNS["cluster_id"], "ra", "dec")  # columns that are copied and otherwise ignored


def flux(config: Config, table: Path, out: Path) -> int:
    """Write the table's rows with a column `flux_BAND` [mJy] for each band, and return how many rows failed.

    Columns have the names of the parameters, and are converted if they have a unit. A parameter without a column has
    its fixed value from the config. Fluxes are per solar mass formed if there is no column log_mass [dex(M_sun)], and
    at 10 pc if there is no column distance (or distance_mpc) [Mpc].

    Raises:
        InputError: if the table lacks a parameter or has an unknown column, if a column is not numeric or its unit
            does not fit, or if the simulator cannot vary a parameter.
    """
    refuse_unknown(out)
    rows = load_table(table)
    columns = _columns(config, rows, table)
    model = config.model
    needed = [name for name in model.parameters if name != "log_mass"]
    if missing := [name for name in needed if name not in columns]:
        raise InputError(f"{table} has no column {', '.join(missing)}; it has {', '.join(rows.colnames)}")
    freed = [name for name in model.fixed if name in columns and name != "metallicity"]
    if "metallicity" in model.fixed and not np.allclose(
        columns.get("metallicity", model.fixed["metallicity"]), model.fixed["metallicity"]
    ):
        raise InputError(
            f"{table}: column metallicity differs from model.fixed.metallicity = {model.fixed['metallicity']:g}; "
            "split the table and give each part its own with --set model.fixed.metallicity=VALUE"
        )
    simulator = simulator_over(config, (*needed, *freed))
    theta = np.stack([columns[name] for name in simulator.parameters], axis=1)
    log_mass = columns.get("log_mass", np.zeros(len(rows)))
    distance = columns.get("distance", np.full(len(rows), AT_10_PC))
    found = simulator(theta) * scale(log_mass, distance)[:, None]
    result = Table(rows, copy=True)
    for i, band in enumerate(simulator.bands):
        result[f"flux_{band}"] = Column(found[:, i], unit="mJy", description=f"flux density in {band}")
    write_rows(result, out)
    return int((~np.isfinite(found).all(axis=1)).sum())


def _columns(config: Config, rows: Table, table: Path) -> dict[str, NDArray[np.float64]]:
    """Return the table's parameters and distances (N,) by name, in declared units."""
    units = {p.name: p.unit for p in build_prior(config).parameters}
    units = {"log_mass": "dex(solMass)", "distance": "Mpc", **dict.fromkeys(config.model.fixed, ""), **units}
    aliases = {alias: name for name in units for alias in COLUMNS.get(name, (name,))}
    found: dict[str, NDArray[np.float64]] = {}
    for column in rows.itercols():
        if (name := aliases.get(column.name)) is None:
            if column.name in LABELS:
                continue
            raise InputError(
                f"{table}: column {column.name} is not a parameter of this model; remove it, or rename it to one of "
                f"{', '.join(aliases)}; only {', '.join(LABELS)} are copied unchanged"
            )
        if name in found:
            raise InputError(f"{table} has {name} twice, as {' and '.join(COLUMNS[name])}; keep one of them")
        found[name] = in_unit(_numbers(column, table), column, units[name], table)
    return found


def _numbers(column: Column, table: Path) -> NDArray[np.float64]:
    """Return a column as numbers (N,), NaN where masked; raise if it holds text that is not a number."""
    try:
        np.ma.asarray(column, dtype=np.float64)
    except (TypeError, ValueError) as e:
        raise InputError(f"{table}: column {column.name} holds something that is not a number; correct it ({e})") from e
    return numbers(column)
