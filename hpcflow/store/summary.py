"""Summaries of an archive for figures: all variables with only a few samples, and counts of flags and bands."""

import re
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

__all__ = ["Counts", "FlagCount", "count_bands", "count_flags", "has_posterior", "summarise", "units"]

Counts = dict[str, NDArray[np.integer]]

KEPT = 40  # samples per cluster: enough for the density of the whole catalogue, and few enough for memory
VALUES = 3_000_000  # numbers read at once, 24 MB unpacked
LEFT_OUT = {"theta", "theta_flow", "log_q", "log_weight", "covariance", "covariance_flow", "checksum", "status"}


def summarise(archive: xr.Dataset) -> xr.Dataset:
    """Load an archive into memory, with only a few samples of each cluster.

    `theta` keeps evenly spaced samples; `published_rank` (cluster, parameter) is the fraction of *all* samples
    below the published value, NaN if there is none. Samples are read once, block by block.

    Args:
        archive: dataset opened with `xr.open_zarr`.
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
    """A flag: its bit, name and meaning, and the number of clusters that have it."""

    mask: int
    name: str
    meaning: str
    clusters: int


def count_flags(archive: xr.Dataset) -> list[FlagCount]:
    """Return the counts of all flags in the CF attributes of the archive's variable `flag`."""
    flag = archive["flag"]
    masks = [int(mask) for mask in np.atleast_1d(flag.attrs["flag_masks"])]
    names = str(flag.attrs["flag_meanings"]).split()
    # Meanings may contain semicolons themselves, so split only before the next number.
    meanings = dict(re.findall(r"(\d+): (.*?)(?:; (?=\d+: )|$)", str(flag.attrs.get("comment", ""))))
    return [
        FlagCount(mask, name, meanings.get(str(mask), ""), int(((flag.values & mask) != 0).sum()))
        for mask, name in zip(masks, names, strict=True)
    ]


def count_bands(archive: xr.Dataset) -> Counts:
    """Return the number of clusters in each band (B,) by reason, "used" first; reasons without clusters are left out.

    Args:
        archive: dataset with `observed` and, optionally, `reason`, (cluster, band) each.
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
    """Return the unit of each parameter and derived quantity.

    Archives from before the coordinate `parameter_unit` have one joined string in the attributes of theta.

    >>> units(xr.Dataset({"theta": ("sample", [0.0], {"units": "depth: mag, index: 1"})}))
    {'depth': 'mag', 'index': ''}
    """
    if "parameter_unit" in archive.variables:
        kinds = [kind for kind in ("parameter", "derived") if f"{kind}_unit" in archive.variables]
        listed = [(archive[kind].values.tolist(), archive[f"{kind}_unit"].values.tolist()) for kind in kinds]
        return {name: unit for names, found in listed for name, unit in zip(names, found, strict=True)}
    joined = (str(archive[name].attrs.get("units", "")) for name in ("theta", "derived_map") if name in archive)
    pairs = (entry.split(": ", 1) for entry in ", ".join(joined).split(", "))
    return {pair[0]: "" if pair[1] == "1" else pair[1] for pair in pairs if len(pair) == 2}


def _share_below(samples: NDArray[np.floating], value: NDArray[np.floating]) -> NDArray[np.floating]:
    below = (samples < value[:, None]).mean(axis=1)
    return np.where(np.isfinite(value) & np.isfinite(samples).all(axis=1), below, np.nan)
