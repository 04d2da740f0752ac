"""The part of an archive that figures need: everything but the samples, and a few of those."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

__all__ = ["has_posterior", "summarise", "units"]

KEPT = 40  # samples per cluster: enough for the density of all, few enough for memory
VALUES = 3_000_000  # numbers read at once, 24 MB unpacked
LEFT_OUT = {"theta", "log_q", "log_weight", "covariance", "checksum", "status"}


def summarise(archive: xr.Dataset) -> xr.Dataset:
    """Return an archive in memory, with few samples of each cluster.

    `theta` keeps evenly spaced samples; `published_rank` (cluster, parameter) is the share of *all* samples
    below the published value, NaN where there is none. Samples are read once, block by block.

    Args:
        archive: as `xr.open_zarr` opens it.
    """
    small = archive.drop_vars([name for name in archive.variables if name in LEFT_OUT]).load()
    for name in ("galaxy", "cluster_id"):
        small[name] = (small[name].dims, np.array(small[name].values.tolist(), dtype=np.str_), small[name].attrs)
    theta = archive["theta"]
    clusters, samples, parameters = theta.shape
    keep = np.linspace(0, samples - 1, min(KEPT, samples)).astype(int)
    kept = np.empty((clusters, len(keep), parameters), dtype=np.float32)
    rank = np.full((clusters, parameters), np.nan, dtype=np.float32)
    published = small["published"].values if "published" in small else rank
    rows = max(VALUES // (samples * parameters) // 64, 1) * 64  # whole chunks of the archive
    for start in range(0, clusters, rows):
        block = slice(start, start + rows)
        values = theta.isel(cluster=block).values
        kept[block] = values[:, keep]
        rank[block] = _share_below(values, published[block])
    small["theta"] = (theta.dims, kept, theta.attrs)
    small["published_rank"] = (("cluster", "parameter"), rank)
    return small


def has_posterior(archive: xr.Dataset) -> NDArray[np.bool_]:
    """Return which clusters (N,) have a posterior."""
    return np.asarray(np.isfinite(archive["map"].values).all(axis=1))


def units(archive: xr.Dataset) -> dict[str, str]:
    """Return the unit of each parameter as the archive's attributes give it.

    >>> units(xr.Dataset({"theta": ("sample", [0.0], {"units": "log_age: dex(yr), r_v: 1"})}))
    {'log_age': 'dex(yr)', 'r_v': ''}
    """
    pairs = (entry.split(": ", 1) for entry in str(archive["theta"].attrs.get("units", "")).split(", "))
    return {pair[0]: "" if pair[1] == "1" else pair[1] for pair in pairs if len(pair) == 2}


def _share_below(samples: NDArray[np.floating], value: NDArray[np.floating]) -> NDArray[np.floating]:
    below = (samples < value[:, None]).mean(axis=1)
    return np.where(np.isfinite(value) & np.isfinite(samples).all(axis=1), below, np.nan)
