"""`hpcflow flux`: model fluxes for the parameters in a table."""

from pathlib import Path

import numpy as np
from astropy.table import Column, Table
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.catalogues.plain import COLUMNS, numbers
from hpcflow.catalogues.table_files import load_table
from hpcflow.catalogues.units import in_unit
from hpcflow.catalogues.write import refuse_unknown, write_rows
from hpcflow.config.load import Config
from hpcflow.sources.cluster.parameters import METALLICITY
from hpcflow.stages.build import build_prior, build_scale, build_simulated, simulated_names, simulator_over, source_of

__all__ = ["flux"]

LABELS = ("galaxy", *COLUMNS["cluster_id"], "ra", "dec")  # columns that are copied and otherwise ignored


def flux(config: Config, table: Path, out: Path) -> int:
    """Write the table's rows with a column `flux_BAND` [mJy] for each band, and return how many rows failed.

    Columns have the names of the parameters, and are converted if they have a unit. A parameter without a column has
    its fixed value from the config. Without a column of the parameter that scales fluxes they are as the simulator
    gives them, and without one of what is given, such as a distance [Mpc], they have not fallen: for clusters, they are
    per solar mass formed and at 10 pc.

    Raises:
        InputError: if the table lacks a parameter or has an unknown column, if a column is not numeric or its unit
            does not fit, or if the simulator cannot vary a parameter.
    """
    refuse_unknown(out)
    rows = load_table(table)
    columns = _columns(config, rows, table)
    model = config.model
    scale, needed = build_scale(config), list(simulated_names(config))
    if missing := [name for name in needed if name not in columns]:
        raise InputError(f"{table} has no column {', '.join(missing)}; it has {', '.join(rows.colnames)}")
    freed = [name for name in model.fixed if name in columns and name != METALLICITY]
    if METALLICITY in model.fixed and not np.allclose(
        columns.get(METALLICITY, model.fixed[METALLICITY]), model.fixed[METALLICITY]
    ):
        raise InputError(
            f"{table}: column {METALLICITY} differs from model.fixed.{METALLICITY} = {model.fixed[METALLICITY]:g}; "
            f"split the table and give each part its own with --set model.fixed.{METALLICITY}=VALUE"
        )
    simulator = simulator_over(config, (*needed, *freed))
    theta = np.stack([columns[name] for name in simulator.parameters], axis=1)
    size = columns.get(scale.parameter, np.zeros(len(rows)))
    given = [columns.get(q.name, np.full(len(rows), q.reference)) for q in scale.given]
    factor = np.broadcast_to(scale.factor(size, np.stack(given, axis=1) if given else np.empty(0)), len(rows))
    found = simulator(theta) * factor[:, None]
    result = Table(rows, copy=True)
    for i, band in enumerate(simulator.bands):
        result[f"flux_{band}"] = Column(found[:, i], unit="mJy", description=f"flux density in {band}")
    write_rows(result, out)
    return int((~np.isfinite(found).all(axis=1)).sum())


def _columns(config: Config, rows: Table, table: Path) -> dict[str, NDArray[np.float64]]:
    """Return the table's parameters and distances (N,) by name, in declared units."""
    scale, source = build_scale(config), source_of(config)
    units = {quantity.name: quantity.unit for quantity in scale.given} | dict.fromkeys(config.model.fixed, "")
    if scale.parameter in source.by_name:
        units[scale.parameter] = source.by_name[scale.parameter].unit
    units |= {p.name: p.unit for prior in (build_prior(config), build_simulated(config)) for p in prior.parameters}
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
