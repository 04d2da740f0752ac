"""What figures need of an archive: everything but the samples, a few of those, and how often each flag is set."""

import re
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

__all__ = ["Counts", "FlagCount", "count_bands", "count_flags", "has_posterior", "summarise", "units"]

Counts = dict[str, NDArray[np.integer]]

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


@dataclass(frozen=True)
class FlagCount:
    """A flag: its bit, its name, what it means, and how many clusters have it."""

    mask: int
    name: str
    meaning: str
    clusters: int


def count_flags(archive: xr.Dataset) -> list[FlagCount]:
    """Return every flag the archive knows, by the CF attributes of its variable `flag`."""
    flag = archive["flag"]
    masks = [int(mask) for mask in np.atleast_1d(flag.attrs["flag_masks"])]
    names = str(flag.attrs["flag_meanings"]).split()
    # Meanings may hold semicolons themselves: cut only where the next number stands.
    meanings = dict(re.findall(r"(\d+): (.*?)(?:; (?=\d+: )|$)", str(flag.attrs.get("comment", ""))))
    return [
        FlagCount(mask, name, meanings.get(str(mask), ""), int(((flag.values & mask) != 0).sum()))
        for mask, name in zip(masks, names, strict=True)
    ]


def count_bands(archive: xr.Dataset) -> Counts:
    """Return by reason, "used" first, how many clusters have it in each band (B,); reasons of none are left out.

    Args:
        archive: observed and, where it is there, reason, (cluster, band) each.
    """
    used = archive["observed"].values
    counts = {"used": used.sum(axis=0)}
    if "reason" not in archive:
        return {**counts, "not used": (~used).sum(axis=0)}
    reason = archive["reason"]
    names = str(reason.attrs["flag_meanings"]).split()
    for value, name in zip(np.atleast_1d(reason.attrs["flag_values"]), names, strict=True):
        counts[name.replace("_", " ")] = ((reason.values == value) & ~used).sum(axis=0)
    return {name: count for name, count in counts.items() if name == "used" or count.any()}


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
