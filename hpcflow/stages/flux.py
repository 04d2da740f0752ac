"""`hpcflow flux`: the config's simulator on the rows of a table."""

from pathlib import Path

import numpy as np
from astropy.table import Column, Table
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.catalogues.plain import load_table
from hpcflow.catalogues.write import refuse_unknown, write_rows
from hpcflow.config.load import Config
from hpcflow.model.observe import scale
from hpcflow.stages.build import simulator_over

__all__ = ["flux"]

AT_10_PC = 1e-5  # Mpc


def flux(config: Config, table: Path, out: Path) -> int:
    """Write the table's rows with a column `flux_BAND` [mJy] each, and return how many could not be simulated.

    Columns are named as the parameters. A parameter without a column has the config's fixed value. Without
    log_mass [dex(M_sun)] fluxes are per solar mass formed, without distance [Mpc] at 10 pc.

    Raises:
        InputError: if the table lacks a parameter, a column is not a number, or asks for what the simulator does
            not vary.
    """
    refuse_unknown(out)
    rows = load_table(table)
    model = config.model
    needed = [name for name in model.parameters if name != "log_mass"]
    if missing := [name for name in needed if name not in rows.colnames]:
        raise InputError(f"{table} has no column {', '.join(missing)}; it has {', '.join(rows.colnames)}")
    freed = [name for name in model.fixed if name in rows.colnames and name != "metallicity"]
    if "metallicity" in rows.colnames and not np.allclose(
        _column(rows, "metallicity", table), model.fixed["metallicity"]
    ):
        raise InputError(
            f"{table}: column metallicity differs from model.fixed.metallicity = {model.fixed['metallicity']:g}; "
            "split the table and give each part its own with --set model.fixed.metallicity=VALUE"
        )
    simulator = simulator_over(config, (*needed, *freed))
    theta = np.stack([_column(rows, name, table) for name in simulator.parameters], axis=1)
    log_mass = _column(rows, "log_mass", table) if "log_mass" in rows.colnames else np.zeros(len(rows))
    distance = _column(rows, "distance", table) if "distance" in rows.colnames else np.full(len(rows), AT_10_PC)
    found = simulator(theta) * scale(log_mass, distance)[:, None]
    result = Table(rows, copy=True)
    for i, band in enumerate(simulator.bands):
        result[f"flux_{band}"] = Column(found[:, i], unit="mJy", description=f"flux density in {band}")
    write_rows(result, out)
    return int((~np.isfinite(found).all(axis=1)).sum())


def _column(rows: Table, name: str, table: Path) -> NDArray[np.float64]:
    try:
        return np.ma.filled(np.ma.asarray(rows[name], dtype=np.float64), np.nan)
    except (TypeError, ValueError) as e:
        raise InputError(f"{table}: column {name} holds something that is not a number; mend it ({e})") from e
