"""The archive of posteriors: one row per cluster of the catalogues, read by `xr.open_zarr` alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hpcflow.model.observe import add_systematic
from hpcflow.model.prior import Parameter
from hpcflow.store.clusters import Catalogue
from hpcflow.store.layout import Variable
from hpcflow.store.partitions import Partition
from hpcflow.store.regions import Regions
from hpcflow.store.schema import CHUNK, EMPTY, QUANTILES, SCHEMA, packing, schema

__all__ = ["QUANTILES", "PosteriorArchive"]


class PosteriorArchive:
    """Posterior samples, modes, moments, predictive checks and the photometry they rest on.

    `theta` is packed into 16 bits by one CF scale and offset over all bounds of the prior (xarray unpacks it
    unasked): a step is below 2e-4 of the reference prior's units. Packed values are kept inside the bounds.
    """

    def __init__(self, regions: Regions) -> None:
        self._regions = regions
        self.path = regions.path
        self.missing, self.partitions, self.finished = regions.missing, regions.partitions, regions.finished
        prior = regions.attrs["prior"]
        low, high = (np.array([bounds[i] for bounds in prior.values()]) for i in (0, 1))
        self._offset, self._step = packing(low, high)
        self._lowest = np.ceil((low - self._offset) / self._step)
        self._highest = np.floor((high - self._offset) / self._step)

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        catalogue: Catalogue,
        systematic: float,
        partition: int,
        samples: int,
        modes: int,
        parameters: Sequence[Parameter],
        attrs: Mapping[str, Any],
        weighted: bool = False,
    ) -> "PosteriorArchive":
        """Make an archive of a catalogue's clusters that holds their photometry and no posterior yet.

        Args:
            path: folder to make.
            catalogue: the clusters.
            systematic: relative error that is added to theirs in quadrature.
            partition: clusters per partition.
            samples: kept of each cluster.
            modes: kept of each cluster.
            parameters: with their bounds, in the order of theta's last axis.
            attrs: seed, hashes and versions: the source of every number.
            weighted: whether the likelihood is tractable, so that samples have importance weights.

        Raises:
            InputError: if the folder exists.
        """
        known = _photometry(catalogue, systematic, parameters)
        sizes = {
            "cluster": len(catalogue),
            "sample": samples,
            "mode": modes,
            "parameter": len(parameters),
            "parameter2": len(parameters),
            "band": len(catalogue.bands),
            "quantile": len(QUANTILES),
        }
        names = [p.name for p in parameters]
        variables = {
            "parameter": Variable(("parameter",), (len(names),), "str", "", values=names),
            "band": Variable(("band",), (len(catalogue.bands),), "str", "", values=catalogue.bands),
        }
        for name, (dims, dtype, attributes) in schema(parameters, weighted).items():
            fill: Any = {"str": "", "bool": False, "float32": np.nan, "float64": np.nan}.get(dtype, 0)
            if name == "theta":
                fill = EMPTY
            shape = tuple(sizes[d] for d in dims)
            rows = CHUNK if "sample" in dims else None
            variables[name] = Variable(dims, shape, dtype, fill, rows, attributes, known.get(name))
        prior = {p.name: [p.low, p.high, p.scale] for p in parameters}
        everything = {
            "Conventions": "CF-1.11",
            "prior": prior,
            "coordinates": "galaxy cluster_id ra dec distance",
            **attrs,
        }
        return cls(Regions.create(path, SCHEMA, len(catalogue), partition, variables, everything))

    @classmethod
    def open(cls, path: Path) -> "PosteriorArchive":
        """Open an archive that exists.

        Raises:
            InputError: if there is none at `path`.
        """
        return cls(Regions.open(path, SCHEMA))

    @property
    def attrs(self) -> dict[str, Any]:
        """What the archive says of its sources."""
        return self._regions.attrs

    def read(self, name: str, partition: Partition) -> NDArray[Any]:
        """Return one partition's rows of a variable as it is stored."""
        return self._regions.read(name, partition)

    def write(self, partition: Partition, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write a finished partition: variables by name, rows first, `theta` in declared units (NaN: none)."""
        self._regions.write(partition, {**arrays, "theta": self._pack(arrays["theta"])})

    def dataset(self) -> xr.Dataset:
        """Return the archive as a lazy dataset."""
        return xr.open_zarr(self.path)

    def _pack(self, theta: NDArray[np.floating]) -> NDArray[np.uint16]:
        with np.errstate(invalid="ignore"):
            packed = np.clip(np.rint((theta - self._offset) / self._step), self._lowest, self._highest)
        return np.where(np.isfinite(packed), packed, EMPTY).astype(np.uint16)


def _photometry(catalogue: Catalogue, systematic: float, parameters: Sequence[Parameter]) -> dict[str, NDArray[Any]]:
    """Return the variables that are known before any posterior is."""
    nothing = np.full(len(catalogue), np.nan)
    return {
        "galaxy": catalogue.galaxy,
        "cluster_id": catalogue.cluster_id,
        "ra": catalogue.ra,
        "dec": catalogue.dec,
        "distance": catalogue.distance,
        "cluster_class": catalogue.cluster_class,
        "flux": catalogue.flux,
        "sigma": add_systematic(catalogue.flux, catalogue.sigma, systematic),
        "observed": catalogue.observed,
        "reason": catalogue.reason,
        "published": np.stack([catalogue.published.get(p.name, nothing) for p in parameters], axis=1),
    }
