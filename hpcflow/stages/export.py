"""`hpcflow export`: the archive as a table of one row per cluster."""

from pathlib import Path

import numpy as np
import xarray as xr
from astropy.table import Column, Table

from hpcflow.stages.build import UNITS
from hpcflow.stages.run import Run
from hpcflow.store.archive import QUANTILES, PosteriorArchive
from hpcflow.store.rows import refuse_unknown, write_rows

__all__ = ["export"]


def export(run: Run, to: str) -> Path:
    """Write `clusters.TO` into the run folder and return its path.

    Raises:
        InputError: if there is no archive, or no such format.
    """
    ds = PosteriorArchive.open(run.posteriors).dataset()
    path = run.path / f"clusters.{to}"
    refuse_unknown(path)
    write_rows(_table(ds.drop_vars(["theta", "log_q"]).load()), path)
    return path


def _table(ds: xr.Dataset) -> Table:
    table = Table()
    for name in ("galaxy", "cluster_id", "ra", "dec", "distance", "cluster_class"):
        _add(table, name, ds[name].values, ds[name].attrs)
    for i, parameter in enumerate(ds["parameter"].values.tolist()):
        for name in ("map", "mean", "std", "published"):
            attrs = {**ds[name].attrs, "units": UNITS.get(parameter, "")}
            _add(table, f"{parameter}_{name}", ds[name].values[:, i], attrs)
        for k, level in enumerate(QUANTILES):
            attrs = {"long_name": f"{level:.0%} quantile of the marginal posterior", "units": UNITS.get(parameter, "")}
            _add(table, f"{parameter}_q{round(100 * level)}", ds["quantile"].values[:, k, i], attrs)
        for k in range(ds.sizes["mode"]):
            attrs = {"long_name": f"mode {k + 1} of the joint posterior", "units": UNITS.get(parameter, "")}
            _add(table, f"{parameter}_mode{k + 1}", ds["mode"].values[:, k, i], attrs)
    for k in range(ds.sizes["mode"]):
        _add(table, f"share_mode{k + 1}", ds["mode_share"].values[:, k], ds["mode_share"].attrs)
    for i, band in enumerate(ds["band"].values.tolist()):
        for name in ("flux", "sigma", "observed", "map_flux", "predictive_mean", "predictive_rank"):
            _add(table, f"{band}_{name}", ds[name].values[:, i], ds[name].attrs)
    for name in ("entropy", "chi2_map", "flag"):
        _add(table, name, ds[name].values, ds[name].attrs)
    return table


def _add(table: Table, name: str, values: np.ndarray, attrs: dict[str, object]) -> None:
    if values.dtype.kind == "T":  # numpy's variable-length text, which casts to no other type
        values = np.array(values.tolist(), dtype=np.str_)
    text = attrs.get("comment", attrs["long_name"]) if name == "flag" else attrs["long_name"]
    unit = None if attrs.get("units") in (None, "", "1", "nat") else attrs["units"]
    table[name] = Column(values, unit=unit, description=text)
