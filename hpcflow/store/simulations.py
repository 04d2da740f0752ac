"""The library of simulations: parameters and noiseless unit-mass fluxes, in partitions."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.base.partitions import Partition, split
from hpcflow.model.prior import Parameter
from hpcflow.store.layout import Variable
from hpcflow.store.regions import Regions
from hpcflow.store.seal import SEAL

__all__ = ["SimulationStore"]

Rows = tuple[NDArray[np.float32], NDArray[np.float32]]

SCHEMA = "hpcflow-simulations/2"
COUNTERS = {
    "failed": "number of rows that could not be simulated and are NaN",
    "checksum": "BLAKE2b hash of theta and flux of the partition's rows, 8 bytes as a signed integer",
}
NOTES = {"reason": "number of rows that could not be simulated, by reason, as JSON"}
CHUNK = 10_000  # rows per chunk, the unit of random access


class SimulationStore:
    """Simulated clusters at 10 pc per solar mass formed; distance, noise and, as a rule, mass are added in training.

    Arrays: `theta` (simulation, parameter) and `flux` (simulation, band) in mJy, both float32; for each partition
    `failed`, the number of rows that could not be simulated and are NaN, `reason`, why they failed, and `checksum`.
    """

    def __init__(self, regions: Regions) -> None:
        self._regions = regions
        self.path = regions.path
        self.missing, self.partitions, self.finished = regions.missing, regions.partitions, regions.finished
        self.complete, self.forget = regions.complete, regions.forget
        self.parameters: list[str] = regions.read("parameter").tolist()
        self.bands: list[str] = regions.read("band").tolist()
        self.seed = int(regions.attrs["seed"])
        self.source: dict[str, str] = regions.attrs["source"]
        self._compared: set[int] = set()  # partitions whose checksums have been compared

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        n: int,
        partition: int,
        parameters: Sequence[Parameter],
        bands: Sequence[str],
        seed: int,
        source: Mapping[str, str],
    ) -> "SimulationStore":
        """Create an empty store.

        Args:
            path: folder to create.
            n: number of simulations.
            partition: simulations per partition.
            parameters: simulated parameters, with their prior.
            bands: names of the bands.
            seed: seed of the parameter draws and of the split into training, validation and test.
            source: the simulator, its settings and the hashes of its inputs.

        Raises:
            InputError: if the folder exists.
        """
        rows = min(CHUNK, partition)
        names = [p.name for p in parameters]
        variables = {
            "parameter": Variable(("parameter",), (len(names),), "str", "", values=names),
            "band": Variable(("band",), (len(bands),), "str", "", values=list(bands)),
            "theta": Variable(
                ("simulation", "parameter"),
                (n, len(names)),
                "float32",
                np.nan,
                rows,
                {"long_name": "parameters", "units": ", ".join(f"{p.name}: {p.unit or '1'}" for p in parameters)},
            ),
            "flux": Variable(
                ("simulation", "band"),
                (n, len(bands)),
                "float32",
                np.nan,
                rows,
                {"long_name": "noiseless flux density at 10 pc per solar mass formed", "units": "mJy"},
            ),
        }
        attrs = {"seed": seed, "prior": {p.name: [p.low, p.high, p.scale] for p in parameters}, "source": dict(source)}
        return cls(Regions.create(path, SCHEMA, n, partition, variables, attrs, COUNTERS, NOTES))

    @classmethod
    def open(cls, path: Path) -> "SimulationStore":
        """Open an existing store.

        Raises:
            InputError: if there is no store at `path`.
        """
        return cls(Regions.open(path, SCHEMA))

    def write(
        self,
        partition: Partition,
        theta: NDArray[np.floating],
        flux: NDArray[np.floating],
        reasons: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Write a finished partition.

        Args:
            partition: partition to write.
            theta: parameters (n, D).
            flux: fluxes (n, B) in mJy, NaN where a simulation failed.
            reasons: number of failures by reason.
        """
        theta, flux = theta.astype(np.float32), flux.astype(np.float32)
        records: dict[str, int | str] = {
            "failed": int((~np.isfinite(flux).all(axis=1)).sum()),
            "checksum": self._regions.checksum(theta, flux),
            "reason": json.dumps(dict(sorted(reasons.items()))) if reasons else "",
        }
        self._regions.write(partition, {"theta": theta, "flux": flux}, records)

    def read(self, partition: Partition) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return theta (n, D) and flux (n, B) of one partition after comparing their checksum.

        Raises:
            DamagedError: if they cannot be read, or their checksum does not match.
        """
        theta, flux = self._regions.checked(partition, ("theta", "flux"))
        return theta, flux

    @property
    def identity(self) -> dict[str, Any]:
        """What the library was made from and of, as plain values."""
        return {"seed": self.seed, "source": self.source, "seal": self._regions.attrs.get(SEAL)}

    def failed(self) -> int:
        """Return the number of rows that could not be simulated."""
        return int(self._regions.read("failed").sum())

    def failures(self) -> dict[str, int]:
        """Return the number of rows that could not be simulated, by reason."""
        found: Counter[str] = Counter()
        for note in filter(None, self._regions.read("reason").tolist()):
            found.update(json.loads(note))
        return dict(found.most_common())

    def dataset(self) -> xr.Dataset:
        """Return the store as a lazy dataset."""
        return xr.open_zarr(self.path)

    def rows(self, part: str, enough: int | None = None) -> Rows:
        """Return theta (n, D) and flux (n, B) of the "train", "validation" or "test" partitions, without failed rows.

        Args:
            part: "train", "validation" or "test".
            enough: number of rows after which reading stops; None to read all partitions.

        Raises:
            InputError: if partitions are missing.
        """
        found: list[Rows] = []
        for block in self.blocks(part):
            found.append(self.read_block(block))
            if enough is not None and sum(len(theta) for theta, _ in found) >= enough:
                break
        theta, flux = zip(*found, strict=True)
        return np.concatenate(theta), np.concatenate(flux)

    def blocks(self, part: str, rows: int | None = None) -> list[Partition]:
        """Return the pieces of the "train", "validation" or "test" partitions that can be read one at a time.

        Args:
            part: "train", "validation" or "test".
            rows: largest number of rows per piece, rounded to whole chunks; None for whole partitions.

        Raises:
            InputError: if partitions are missing.
        """
        if missing := self.missing():
            raise InputError(
                f"{self.path}: {len(missing)} partitions are not simulated yet; run `hpcflow simulate` again"
            )
        chosen = dict(zip(("train", "validation", "test"), split(len(self.partitions), self.seed), strict=True))[part]
        found: list[Partition] = []
        for p in (self.partitions[i] for i in chosen):
            size = len(p) if rows is None else max(CHUNK, rows // CHUNK * CHUNK)
            for start in range(p.start, p.stop, size):
                found.append(Partition(len(found), start, min(start + size, p.stop)))
        return found

    def read_block(self, block: Partition) -> Rows:
        """Return theta (n, D) and flux (n, B) of a block, without failed rows.

        The first block that is read of a partition has the checksum of the whole partition compared.

        Raises:
            DamagedError: if the partition is damaged.
        """
        whole = self.partitions[block.start // len(self.partitions[0])]
        if whole.index in self._compared:
            theta, flux = self._regions.read("theta", block), self._regions.read("flux", block)
        else:
            theta, flux = (rows[block.start - whole.start :][: len(block)] for rows in self.read(whole))
            self._compared.add(whole.index)
        good = np.isfinite(flux).all(axis=1) & (flux > 0).all(axis=1)
        return theta[good], flux[good]

    def flux_range(
        self, part: str, factor: Callable[[NDArray[np.float32]], NDArray[np.floating]] | None = None
    ) -> NDArray[np.floating]:
        """Return the faintest and the brightest flux (2, B) of a part in each band, reading piece by piece.

        Args:
            part: "train", "validation" or "test".
            factor: returns factors (n,) of the fluxes for theta (n, D); all are 1 if None.

        Raises:
            InputError: if partitions are missing, or all their rows failed.
        """
        rows = (self.read_block(block) for block in self.blocks(part))
        pieces = (flux if factor is None else flux * factor(theta)[:, None] for theta, flux in rows)
        found = [(flux.min(axis=0), flux.max(axis=0)) for flux in pieces if len(flux)]
        if not found:
            raise InputError(f"{self.path}: every simulation of the {part} partitions failed; correct `model`")
        faintest, brightest = zip(*found, strict=True)
        return np.stack([np.min(faintest, axis=0), np.max(brightest, axis=0)])
