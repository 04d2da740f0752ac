"""The store of posteriors under another prior: weights of an archive's samples, and what follows from them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hpcflow.base.partitions import Partition
from hpcflow.store.layout import Variable
from hpcflow.store.regions import Regions
from hpcflow.store.schema import QUANTILES

__all__ = ["ReweightedStore"]

SCHEMA = "reweighted/1"
PARTITION = 1024  # clusters in memory at once
COUNTERS = {"checksum": "BLAKE2b hash of the partition's rows as written, 8 bytes as a signed integer"}


class ReweightedStore:
    """One row per cluster of an archive, in its order."""

    def __init__(self, regions: Regions) -> None:
        self._regions, self.partitions, self.rows = regions, regions.partitions, regions.rows
        self.archive = regions.attrs["archive"]  # checksum of what the archive knew of its clusters
        self._names = [name for name in regions.names("cluster") if name not in ("galaxy", "cluster_id")]

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        galaxies: Sequence[str],
        identifiers: Sequence[str],
        parameters: Mapping[str, str],
        samples: int,
        prior: str,
        archive: int,
    ) -> "ReweightedStore":
        """Create a store without rows.

        Args:
            path: folder to create.
            galaxies: galaxy of each of the archive's clusters.
            identifiers: its identifier there.
            parameters: units by name.
            samples: number of samples of a cluster.
            prior: the prior, as JSON.
            archive: checksum of what the archive knows of its clusters.

        Raises:
            InputError: if the folder exists.
        """
        n, names, units = len(identifiers), list(parameters), list(parameters.values())
        marginal = ("cluster", "parameter")

        def number(dims: tuple[str, ...], sizes: tuple[int, ...], says: str, **more: Any) -> Variable:
            return Variable(dims, (n, *sizes), "float32", np.nan, None, {"long_name": says, **more}, small=True)

        variables = {
            "parameter": Variable(("parameter",), (len(names),), "str", "", values=names),
            "galaxy": Variable(("cluster",), (n,), "str", "", values=galaxies),
            "cluster_id": Variable(("cluster",), (n,), "str", "", values=identifiers),
            "share": number(("cluster", "sample"), (samples,), "weights of theta, which add up to 1", units="1"),
            "quantile": number(
                ("cluster", "quantile", "parameter"),
                (len(QUANTILES), len(names)),
                "quantiles of the marginal posteriors",
                units=units,
                levels=list(QUANTILES),
            ),
            "mean": number(marginal, (len(names),), "posterior mean", units=units),
            "std": number(marginal, (len(names),), "posterior standard deviation", units=units),
            "effective": number(("cluster",), (), "effective number of samples", units="1"),
            "efficiency": number(("cluster",), (), "effective number of samples over their number", units="1"),
            "log_evidence_ratio": number(
                ("cluster",), (), "log of the evidence over that under the run's own prior", units="nat"
            ),
        }
        return cls(
            Regions.create(path, SCHEMA, n, PARTITION, variables, {"prior": prior, "archive": archive}, COUNTERS)
        )

    @classmethod
    def open(cls, path: Path) -> "ReweightedStore":
        """Open an existing store.

        Raises:
            InputError: if there is none at `path`.
        """
        return cls(Regions.open(path, SCHEMA))

    def write(self, partition: Partition, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write the rows of a partition."""
        stored = {name: np.asarray(arrays[name], self._regions.empty(name, 0).dtype) for name in self._names}
        self._regions.write(partition, stored, {"checksum": self._regions.checksum(*stored.values())})

    def dataset(self) -> xr.Dataset:
        """Return the store as a lazy dataset, after comparing the checksums of its partitions.

        Raises:
            DamagedError: if one of them cannot be read, or its checksum does not match.
        """
        for partition in self.partitions:
            self._regions.checked(partition, self._names)
        dataset: xr.Dataset = xr.open_zarr(self._regions.path, chunks=None)  # without chunks, dask is not needed
        return dataset
