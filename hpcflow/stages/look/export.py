"""`hpcflow export`: write the archive as a table with one row per cluster."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from astropy.table import Column, Table
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.base.paths import file_name
from hpcflow.catalogues.galaxies import normalise_galaxy
from hpcflow.catalogues.write import refuse_unknown, write_blocks
from hpcflow.stages.progress import log
from hpcflow.stages.run import Run
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.flags import Flag
from hpcflow.store.kind import given_names
from hpcflow.store.reading import open_archive
from hpcflow.store.reweighted import ReweightedStore
from hpcflow.store.schema import QUANTILES
from hpcflow.store.summary import units as units_of

__all__ = ["export"]

BLOCK = 16_384  # clusters in memory at once
ABOUT = ("galaxy", "cluster_id", "ra", "dec")
BY_PARAMETER = ("map", "mean", "std", "map_flow", "mean_flow", "std_flow", "prior_edge", "published")
BY_QUANTILE = {"quantile": "", "quantile_flow": "_flow"}
BY_DERIVED = ("derived_map", "derived_quantile")
BY_MODE = {"mode_share": "share", "mode_log_q": "log_q", "mode_log_p": "log_p"}
BY_BAND = ("flux", "sigma", "observed", "map_flux", "predictive_mean", "predictive_rank")
BY_CLUSTER = (
    *("entropy", "log_evidence", "log_bayes", "efficiency", "effective", "refined", "chi2_map", "predictive_p", "flag"),
)


def export(run: Run, to: str, galaxy: str | None = None, prior: str | None = None) -> Path:
    """Write `clusters.TO` into the run folder, with the names of galaxy and prior if asked for, and return its path.

    Args:
        run: a run with an archive.
        to: format of the table.
        galaxy: the only galaxy to write.
        prior: name of a prior under which the archive was reweighted.

    Raises:
        InputError: if there is no archive, the format is unknown, the galaxy has no cluster, or the archive was not
            reweighted under that prior.
    """
    archive, ds = PosteriorArchive.open(run.posteriors, reading=True), open_archive(run.posteriors)
    name = normalise_galaxy(galaxy) if galaxy else None
    path = run.path / f"{file_name('clusters', *filter(None, [name, prior]))}.{to}"
    refuse_unknown(path)
    galaxies = _text(ds["galaxy"].values)
    chosen = np.full(len(galaxies), True) if name is None else galaxies == name
    if not chosen.any():
        raise InputError(
            f"{archive.path} has no cluster of {name}; "
            f"use --galaxy with one of {', '.join(np.unique(galaxies).tolist())}"
        )
    if lacking := sum(map(len, archive.missing())):
        log.warning(
            "export: %d of %d clusters have no posterior yet; run `hpcflow infer` to resume", lacking, len(chosen)
        )
    write_blocks(_blocks(ds if prior is None else _under(ds, run, prior), chosen), path)
    return path


def _under(ds: xr.Dataset, run: Run, prior: str) -> xr.Dataset:
    """Return what an archive says whatever the prior, and posteriors under another one."""
    if not run.reweighted(prior).exists():
        raise InputError(f"{run.path} is not reweighted under {prior}; run `hpcflow reweight` with its --prior first")
    store = ReweightedStore.open(run.reweighted(prior))
    if store.archive != ds.attrs["known_checksum"] or store.rows != ds.sizes["cluster"]:
        raise InputError(
            f"the archive of {run.path} has changed since it was reweighted; run `hpcflow reweight` with {prior} again"
        )
    new = store.dataset()
    kept = (*ABOUT, *given_names(ds.attrs), "cluster_class", "published", *BY_BAND[:3], "flag")
    own = ds[[name for name in kept if name in ds]]
    return own.assign({name: new[name].variable for name in ("quantile", "mean", "std", "effective", "efficiency")})


def _blocks(ds: xr.Dataset, chosen: NDArray[np.bool_]) -> Iterator[Table]:
    """Yield tables of the chosen clusters (N,), block by block; text columns have the same width in all blocks."""
    about = (*ABOUT, *given_names(ds.attrs), "cluster_class")
    wanted = (*about, *BY_PARAMETER, *BY_QUANTILE, *BY_DERIVED, "mode", *BY_MODE, *BY_BAND, *BY_CLUSTER)
    units = units_of(ds)
    ds = ds[[name for name in wanted if name in ds]]
    text = {name: _text(ds[name].values) for name in ("galaxy", "cluster_id")}
    text["flags"] = _said(ds["flag"].values)
    for start in range(0, len(chosen), BLOCK):
        rows = slice(start, start + BLOCK)
        if chosen[rows].any():
            block = ds.isel(cluster=rows).load().isel(cluster=chosen[rows])
            yield _table(block, units, {name: values[rows][chosen[rows]] for name, values in text.items()})


def _table(ds: xr.Dataset, units: Mapping[str, str], text: Mapping[str, NDArray[np.str_]]) -> Table:
    """Return clusters in memory as a table, without the variables that the archive lacks.

    Args:
        ds: the clusters.
        units: units by parameter.
        text: the text columns by name.
    """
    table = Table()
    modes, there = ds.sizes.get("mode", 0), set(ds.variables)
    for name in (*ABOUT, *given_names(ds.attrs), "cluster_class"):
        _add(table, name, text.get(name, ds[name].values), ds[name])
    for i, parameter in enumerate(ds["parameter"].values.tolist()):
        unit = units[parameter]
        for name in BY_PARAMETER:
            if name in there:
                _add(table, f"{parameter}_{name}", ds[name].values[:, i], ds[name], unit=unit)
        for name, suffix in BY_QUANTILE.items():
            for k, level in enumerate(QUANTILES if name in there else ()):
                says = ds[name].attrs["long_name"].replace("quantiles", f"{level:.0%} quantile")
                column = f"{parameter}_q{round(100 * level)}{suffix}"
                _add(table, column, ds[name].values[:, k, i], ds[name], says, unit)
        for k in range(modes):
            says = f"mode {k + 1} of the joint posterior"
            _add(table, f"{parameter}_mode{k + 1}", ds["mode"].values[:, k, i], ds["mode"], says, unit)
    for i, quantity in enumerate(ds["derived"].values.tolist() if "derived" in there else ()):
        unit = units[quantity]
        _add(table, f"{quantity}_map", ds["derived_map"].values[:, i], ds["derived_map"], unit=unit)
        for k, level in enumerate(QUANTILES):
            says = f"{level:.0%} quantile over the posterior"
            column = f"{quantity}_q{round(100 * level)}"
            _add(table, column, ds["derived_quantile"].values[:, k, i], ds["derived_quantile"], says, unit)
    for name, short in BY_MODE.items():
        for k in range(modes if name in there else 0):
            _add(table, f"{short}_mode{k + 1}", ds[name].values[:, k], ds[name])
    for i, band in enumerate(ds["band"].values.tolist()):
        for name in (name for name in BY_BAND if name in there):
            _add(table, f"{band}_{name}", ds[name].values[:, i], ds[name])
    for name in BY_CLUSTER:
        if name in there:
            _add(table, name, ds[name].values, ds[name])
    table["flags"] = Column(text["flags"], description="names of the bits of flag that are set")
    return table


def _add(
    table: Table,
    name: str,
    values: NDArray[np.generic],
    of: xr.DataArray,
    says: str | None = None,
    unit: str | None = None,
) -> None:
    """Add a column with a name that FITS allows, and the variable's unit and description unless others are given."""
    says = says or of.attrs["long_name"]
    if meanings := of.attrs.get("flag_meanings"):
        numbers = of.attrs.get("flag_masks") or of.attrs["flag_values"]
        says += f" ({', '.join(f'{n} {meaning}' for n, meaning in zip(numbers, meanings.split(), strict=True))})"
    unit = of.attrs.get("units", "") if unit is None else unit
    column = Column(values, unit=None if unit in ("", "1", "nat") else unit, description=says)
    table[re.sub(r"\W", "_", name, flags=re.ASCII)] = column


def _text(values: NDArray[Any]) -> NDArray[np.str_]:
    """Return text (N,) of fixed width, because numpy cannot cast its variable-width strings.

    It is as wide as the longest one is in bytes, for files that hold bytes.
    """
    text = values.tolist()
    return np.array(text, dtype=f"U{max((len(one.encode()) for one in text), default=1) or 1}")


def _said(flag: NDArray[np.integer]) -> NDArray[np.str_]:
    """Return the names (N,) of the flags that are set."""
    values, inverse = np.unique(flag, return_inverse=True)
    return np.array([" ".join(str(f.name).lower() for f in Flag(int(v))) for v in values])[inverse]
