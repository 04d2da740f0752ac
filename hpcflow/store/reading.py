"""The archive as a dataset for reading, in the terms of this version whichever version wrote it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.schema import SCHEMA

__all__ = ["open_archive"]

Floats = NDArray[np.floating]

# What archives of schema 3 call the values that follow from weights, and those of the flow's own samples.
WEIGHTED = ("quantile", "mean", "std")
OWN = (*WEIGHTED, "covariance", "entropy")


def open_archive(path: Path, row: int | None = None) -> xr.Dataset:
    """Return an archive of this or an earlier version as a lazy dataset, after comparing its checksums.

    The photometry of all clusters is compared, and every finished partition, one at a time.

    Archives of schema 3 listed the flow's own values first, and those of weighted samples as `weighted_quantile` and so
    on. They are renamed here: `quantile` is that of weighted samples, `quantile_flow` the flow's, and `theta` is drawn
    from the flow's samples by their weights. The weighted covariance and entropy, which they lack, are absent.

    Args:
        path: folder of the archive.
        row: the only cluster that will be read, whose partition alone is compared then; None to read all.

    Raises:
        InputError: if there is no archive at `path`, or its schema is not known.
        DamagedError: if anything in it is not what was written.
    """
    archive = PosteriorArchive.open(path, reading=True)
    archive.check()
    for partition in archive.complete():
        if row is None or partition.start <= row < partition.stop:
            archive.check(partition)
    if archive.attrs["schema"] == SCHEMA:
        # Without chunks, rows of arrays are read on demand, and dask is not needed.
        dataset: xr.Dataset = xr.open_zarr(path, chunks=None)
        return dataset
    old = xr.open_zarr(path)  # with dask, so that samples are drawn when they are read
    return _renamed(old) if "log_weight" in old else old


def _renamed(old: xr.Dataset) -> xr.Dataset:
    own = {name: f"{name}_flow" for name in ("theta", *OWN)}
    theta = _along(_resample, old["theta"], old["log_weight"]).assign_attrs(old["theta"].attrs)
    new = old.rename_vars(own).assign(theta=theta)
    new = new.rename_vars({f"weighted_{name}": name for name in WEIGHTED})
    return new.set_coords("quantile")  # as xarray takes it when it opens an archive, by its name


def _along(function: Callable[..., Floats], theta: xr.DataArray, log_weight: xr.DataArray) -> xr.DataArray:
    """Apply a function of samples (n, D) and weights (n,) to every cluster, chunk by chunk when it is needed."""
    found: xr.DataArray = xr.apply_ufunc(
        function,
        theta.chunk(sample=-1, parameter=-1),
        log_weight.chunk(sample=-1),
        input_core_dims=[["sample", "parameter"], ["sample"]],
        output_core_dims=[["sample", "parameter"]],
        vectorize=True,
        dask="parallelized",
        output_dtypes=[theta.dtype],
    )
    return found


def _resample(theta: Floats, log_weight: Floats) -> Floats:
    """Return as many samples of equal weight, in the order of the given ones; unchanged if there is no weight."""
    weight = np.exp(log_weight - np.nanmax(np.append(log_weight, -1e300)))
    if not weight.sum() > 0:
        return theta
    place = (np.arange(len(theta)) + 0.5) / len(theta) * weight.sum()
    return theta[np.minimum(np.searchsorted(np.cumsum(weight), place, side="right"), len(theta) - 1)]
