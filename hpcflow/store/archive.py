"""The archive of posteriors: one row per cluster of the catalogues, readable with `xr.open_zarr`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hpcflow.base.partitions import Partition
from hpcflow.model.prior import Parameter
from hpcflow.model.scale import Given
from hpcflow.model.simulator import Quantity
from hpcflow.store.damage import CHANGED, DamagedError, checksum
from hpcflow.store.kind import given_names, leading
from hpcflow.store.layout import Variable, partition_rows
from hpcflow.store.packing import LogPacking, SamplePacking
from hpcflow.store.regions import Regions
from hpcflow.store.schema import EARLIER, SCHEMA, Schema, known_names

__all__ = ["PosteriorArchive"]

CHUNK = 64  # clusters per chunk of the samples
COUNTERS = {"checksum": "BLAKE2b hash of the partition's rows as written, 8 bytes as a signed integer"}
SAMPLES = ("theta", "theta_flow")
DENSITIES = ("log_q", "log_weight")  # of theta_flow, or of theta where there is no theta_flow
BY_SAMPLE = (*SAMPLES, *DENSITIES)
PLACE = ("galaxy", "cluster_id", "ra", "dec")
UNITS = ("parameter_unit", "derived_unit")


class PosteriorArchive:
    """Posterior samples, modes, moments, predictive checks and the photometry they are inferred from.

    The samples of each object are sorted by its leading parameter (of clusters, age) and each parameter is stored
    separately, because similar neighbours compress better. Packing rounds samples and weights, see `store.packing`.
    """

    def __init__(self, regions: Regions) -> None:
        self._regions = regions
        self.path = regions.path
        self.missing, self.partitions, self.finished = regions.missing, regions.partitions, regions.finished
        self.complete, self.forget = regions.complete, regions.forget
        prior = regions.attrs["prior"]
        self._leading = list(prior).index(leading(regions.attrs))
        self._known = known_names(given_names(regions.attrs))
        self._packing = SamplePacking(*(np.array([bounds[i] for bounds in prior.values()]) for i in (0, 1)))
        self.written = [name for name in regions.names("cluster") if name not in self._known]

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        known: Mapping[str, NDArray[Any]],
        bands: Sequence[str],
        partition: int | None = None,
        samples: int,
        modes: int,
        parameters: Sequence[Parameter],
        attrs: Mapping[str, Any],
        weighted: bool = False,
        band_sets: Sequence[Sequence[str]] = (),
        derived: Sequence[Quantity] = (),
        given: Sequence[Given] = (),
        exact: bool = False,
    ) -> "PosteriorArchive":
        """Create an archive with the photometry of a catalogue's clusters and no posteriors yet.

        Args:
            path: folder to create.
            known: the variables that are known before inference, rows first; see `schema.known_names`.
            bands: labels of the bands.
            partition: clusters per partition; chosen by the size of the catalogue if None.
            samples: number of samples kept per cluster.
            modes: number of modes kept per cluster.
            parameters: parameters and their bounds, in the order of theta's last axis.
            attrs: the kind of source (`kind.kind_attributes`), and provenance: seed, hashes and versions.
            weighted: whether the likelihood is tractable, so that values follow from weighted samples.
            band_sets: bands of each instrument set; one set of all bands if empty.
            derived: quantities that follow from the parameters.
            given: what is given of each object besides photometry.
            exact: whether samples are drawn from the exact posterior, without a flow.

        Raises:
            InputError: if the folder exists.
        """
        clusters = len(known["galaxy"])
        partition = partition or partition_rows(clusters, CHUNK)
        schema = Schema(parameters, bands, samples, modes, weighted, band_sets, derived, given, leading(attrs), exact)
        before = known_names([quantity.name for quantity in given])
        typed = {name: _typed(known[name], schema.variables[name].dtype) for name in before}
        names = [p.name for p in parameters]
        variables = {
            "parameter": _labels("parameter", names),
            "parameter_unit": _labels("parameter", [p.unit for p in parameters], long_name="unit of each parameter"),
            "band": _labels("band", list(bands)),
        }
        if derived:
            variables["derived"] = _labels("derived", [q.name for q in derived])
            variables["derived_unit"] = _labels(
                "derived", [q.unit for q in derived], long_name="unit of each derived quantity"
            )
        for name, described in schema.variables.items():
            variables[name] = Variable(
                described.dims,
                schema.shape(name, clusters),
                described.dtype,
                described.fill,
                rows=CHUNK if name in BY_SAMPLE else None,
                attrs=described.attrs,
                values=typed.get(name),
                split=name in SAMPLES,
                small=name in BY_SAMPLE,
            )
        prior = {p.name: [p.low, p.high, p.scale] for p in parameters}
        everything = {
            "Conventions": "CF-1.11",
            "prior": prior,
            "coordinates": " ".join([*PLACE, *(q.name for q in given), *UNITS[: 1 + bool(derived)]]),
            "known_checksum": checksum(*typed.values(), sealed=True),
            **attrs,
            "given": [quantity.name for quantity in given],
        }
        return cls(Regions.create(path, SCHEMA, clusters, partition, variables, everything, COUNTERS))

    @classmethod
    def open(cls, path: Path, *, reading: bool = False) -> "PosteriorArchive":
        """Open an existing archive.

        Args:
            path: folder of the archive.
            reading: whether an archive of an earlier version will do; see `store.reading`.

        Raises:
            InputError: if there is no archive at `path`, or another version wrote it.
        """
        return cls(Regions.open(path, SCHEMA, *([EARLIER] if reading else [])))

    @property
    def attrs(self) -> dict[str, Any]:
        """The attributes of the archive, with its provenance."""
        return self._regions.attrs

    def read(self, name: str, partition: Partition | None = None) -> NDArray[Any]:
        """Return a variable, or one partition's rows of it, as stored."""
        return self._regions.read(name, partition)

    def write(self, partition: Partition, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write a finished partition.

        Args:
            partition: partition to write.
            arrays: variables by name, rows first, in declared units; NaN and absent variables become fill values.
        """
        self.write_stored(partition, self.stored(arrays, len(partition)))

    def stored(self, arrays: Mapping[str, NDArray[Any]], rows: int) -> dict[str, NDArray[Any]]:
        """Return all inferred variables of `rows` clusters as they are stored; see `write`."""
        arrays = {**arrays, **self.packed(arrays)}
        return {name: self._stored(name, arrays.get(name), rows) for name in self.written}

    def write_stored(self, partition: Partition, stored: Mapping[str, NDArray[Any]]) -> None:
        """Write a finished partition from variables as they are stored."""
        self._regions.write(
            partition, stored, {"checksum": self._regions.checksum(*(stored[name] for name in self.written))}
        )

    def check(self, partition: Partition | None = None) -> None:
        """Read back a finished partition, or the photometry of all clusters if None, and compare its checksum.

        Raises:
            DamagedError: if it cannot be read, or its checksum does not match.
        """
        if partition is None:
            if self._regions.checksum(*(self.read(name) for name in self._known)) != self.attrs["known_checksum"]:
                raise DamagedError(self.path, "the photometry", CHANGED)
        else:
            self._regions.checked(partition, self.written)

    def dataset(self) -> xr.Dataset:
        """Return the archive as a lazy dataset."""
        return xr.open_zarr(self.path)

    def packed(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return the variables of samples (N, n, ...) as they are stored: packed and sorted by the leading one."""
        found: dict[str, NDArray[Any]] = {}
        for name in (name for name in SAMPLES if name in arrays):  # densities belong to the last of them
            order = np.argsort(arrays[name][..., self._leading], axis=1, kind="stable")
            found[name] = self._packing.pack(np.take_along_axis(arrays[name], order[..., None], axis=1))
        for name in (name for name in DENSITIES if name in arrays):
            found[name] = LogPacking().pack(np.take_along_axis(arrays[name], order, axis=1))
        return found

    def _stored(self, name: str, values: NDArray[Any] | None, rows: int) -> NDArray[Any]:
        """Return a variable's values as they are stored."""
        empty = self._regions.empty(name, rows)
        if values is None:
            return empty
        if empty.dtype.kind in "iu" and values.dtype.kind == "f":
            values = np.where(np.isnan(values), empty, values)
        with np.errstate(over="ignore"):  # values out of range become infinite
            return values.astype(empty.dtype)


def _labels(dim: str, values: list[str], **attrs: str) -> Variable:
    return Variable((dim,), (len(values),), "str", "", attrs=attrs, values=values)


def _typed(values: NDArray[Any], dtype: str) -> NDArray[Any]:
    return values if dtype == "str" else values.astype(dtype)
