"""The calibration record: held-out truths, their ranks among posterior samples, and their densities."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hpcflow.base.partitions import Partition
from hpcflow.model.prior import Parameter
from hpcflow.model.scale import Given
from hpcflow.store.layout import Variable
from hpcflow.store.regions import Regions
from hpcflow.store.schema import QUANTILES

__all__ = ["ValidationStore"]

SCHEMA = "hpcflow-validation/5"
COUNTERS = {"checksum": "BLAKE2b hash of the partition's rows as written, 8 bytes as a signed integer"}


class ValidationStore:
    """Store of one row per held-out simulation: truth, features, ranks, quantiles, and densities of the truth."""

    def __init__(self, regions: Regions) -> None:
        self._regions = regions
        self.path = regions.path
        self.missing, self.partitions, self.finished = regions.missing, regions.partitions, regions.finished
        self.complete, self.forget = regions.complete, regions.forget
        self.attrs = regions.attrs
        self._names = regions.names("simulation")

    def __len__(self) -> int:
        return sum(map(len, self.partitions))

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        n: int,
        partition: int,
        parameters: Sequence[Parameter],
        statistics: Sequence[str],
        order: Sequence[str],
        bands: Sequence[str],
        features: int,
        given: Sequence[Given],
        attrs: Mapping[str, Any],
    ) -> "ValidationStore":
        """Create an empty record of `n` simulations.

        Args:
            path: folder to create.
            n: number of held-out simulations.
            partition: simulations per partition.
            parameters: parameters with their units.
            statistics: names of the products of parameters that are ranked as well.
            order: order of the parameters in the chain rule that splits the gap.
            bands: names of the bands, in the order of the bits of `pattern`.
            features: number of features that the flow is conditioned on.
            given: what is given of each simulation.
            attrs: attributes: samples, seed and hashes.

        Raises:
            InputError: if the folder exists.
        """
        names = [p.name for p in parameters]
        units = ", ".join(f"{p.name}: {p.unit or '1'}" for p in parameters)
        sizes = {
            "simulation": n,
            "parameter": len(names),
            "statistic": len(statistics),
            "quantile": len(QUANTILES),
            "feature": features,
        }

        def variable(dims: tuple[str, ...], **attributes: Any) -> Variable:
            return Variable(dims, tuple(sizes[d] for d in dims), "float32", np.nan, None, attributes)

        share = "share of posterior samples below the truth"
        row, marginals = ("simulation",), ("simulation", "parameter")
        variables = {
            "parameter": Variable(("parameter",), (len(names),), "str", "", values=names),
            "statistic": Variable(("statistic",), (len(statistics),), "str", "", values=list(statistics)),
            "truth": variable(("simulation", "parameter"), long_name="true parameters", units=units),
            "rank": variable(("simulation", "parameter"), long_name=share, units="1"),
            "rank_product": variable(
                ("simulation", "statistic"), long_name=f"{share}, for products of parameters", units="1"
            ),
            "quantile": variable(
                ("simulation", "quantile", "parameter"),
                long_name="quantiles of the marginal posteriors",
                units=units,
                levels=list(QUANTILES),
            ),
            "x": variable(
                ("simulation", "feature"), long_name="standardised features that the flow is conditioned on", units="1"
            ),
            "location": variable(
                marginals, long_name="mean of further posterior samples, not used for ranks", units=units
            ),
            "scale": variable(marginals, long_name="standard deviation of the same samples", units=units),
            "error": variable(("simulation",), long_name="geometric mean of the bands' relative errors", units="1"),
            **{q.name: variable(row, long_name=q.long_name or q.name, units=q.unit or "1") for q in given},
            "pattern": Variable(
                row, (n,), "int32", 0, None, {"long_name": "observed bands, one bit each", "bands": list(bands)}
            ),
            "denser": variable(row, long_name="share of posterior samples of higher density than the truth", units="1"),
            "nearer": variable(
                row, long_name="share of posterior samples nearer to a random reference than the truth", units="1"
            ),
            "log_q": variable(("simulation",), long_name="log of the flow's density of the truth", units="1"),
            "log_p": variable(
                ("simulation",), long_name="log of the exact density of the truth; NaN where not computed", units="1"
            ),
            "gap": variable(
                ("simulation", "parameter"),
                long_name="log p - log q of each parameter, given those before it in the attribute `order`",
                units="nat",
                order=list(order),
            ),
            "kl": variable(
                row, long_name="Kullback-Leibler divergence from exact to flow, E_p[log p - log q]", units="nat"
            ),
            "wasserstein": variable(
                marginals,
                long_name="Wasserstein-1 distance of flow and exact marginals, over the exact standard deviation",
                units="1",
            ),
            "wasserstein_exact": variable(
                marginals, long_name="Wasserstein-1 distance between two sets of as many exact samples", units="1"
            ),
            "c2st": variable(
                row, long_name="accuracy of a classifier between samples of the flow and exact ones", units="1"
            ),
        }
        if not statistics:  # of a single parameter, which has no product
            del variables["statistic"], variables["rank_product"]
        return cls(Regions.create(path, SCHEMA, n, partition, variables, attrs, COUNTERS))

    @classmethod
    def open(cls, path: Path) -> "ValidationStore":
        """Open an existing record.

        Raises:
            InputError: if there is no record at `path`.
        """
        return cls(Regions.open(path, SCHEMA))

    def write(self, partition: Partition, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write a finished partition; variables that are absent stay empty."""
        empty = {name: self._regions.empty(name, len(partition)) for name in self._names}
        stored = {
            name: np.broadcast_to(np.asarray(arrays.get(name, none), none.dtype), none.shape)
            for name, none in empty.items()
        }
        self._regions.write(partition, stored, {"checksum": self._regions.checksum(*stored.values())})

    def check(self, partition: Partition) -> None:
        """Read back a finished partition, and compare its checksum.

        Raises:
            DamagedError: if it cannot be read, or its checksum does not match.
        """
        self._regions.checked(partition, self._names)

    def dataset(self) -> xr.Dataset:
        """Return the record as a lazy dataset, after comparing the checksums of its finished partitions.

        Raises:
            DamagedError: if one of them cannot be read, or its checksum does not match.
        """
        for partition in self.complete():
            self.check(partition)
        dataset: xr.Dataset = xr.open_zarr(self.path, chunks=None)  # without chunks, dask is not needed
        return dataset
