"""A run folder for reading: every part is opened lazily, and is None if its stage has not been run."""

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from hpcflow.base.errors import InputError
from hpcflow.base.paths import RunPaths
from hpcflow.calibration.record import ValidationStore
from hpcflow.flow.checkpoint import DESCRIPTION
from hpcflow.flow.history import HISTORY
from hpcflow.model.filters import load_curve
from hpcflow.stages.run import Run
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.reading import open_archive
from hpcflow.store.simulations import SimulationStore

__all__ = ["RunFolder", "open_folder"]

Store = SimulationStore | ValidationStore | PosteriorArchive


@dataclass(frozen=True)
class RunFolder:
    """The parts of a run.

    Args:
        path: the run's folder.
        config: the whole config, as plain values.
        provenance: versions and platform, noted when the latest stage began.
    """

    path: Path
    config: Mapping[str, Any]
    provenance: Mapping[str, Any]

    @property
    def paths(self) -> RunPaths:
        """The paths of the run's parts."""
        return RunPaths(self.path)

    @cached_property
    def simulations(self) -> xr.Dataset | None:
        """The library of simulations, of which only counts are looked at."""
        path = self.paths.simulations
        if not path.is_dir():
            return None
        SimulationStore.open(path)  # raises if it is not such a store, or of another version
        # Without chunks, rows of arrays are read on demand, and dask is not needed.
        dataset: xr.Dataset = xr.open_zarr(path, chunks=None)
        return dataset

    @cached_property
    def posteriors(self) -> xr.Dataset | None:
        """The archive's finished clusters; also None if no partition is finished."""
        path = self.paths.posteriors
        return _finished(open_archive(path) if path.is_dir() else None, "cluster")

    @cached_property
    def validation(self) -> xr.Dataset | None:
        """The calibration record of the held-out simulations that are finished."""
        path = self.paths.validation
        return _finished(ValidationStore.open(path).dataset() if path.is_dir() else None, "simulation")

    @cached_property
    def history(self) -> xr.Dataset | None:
        """The training history along `step`."""
        path = self.paths.flow / HISTORY
        if not path.is_file():
            return None
        try:
            lines = list(csv.DictReader(path.read_text().splitlines(), strict=True))
            table = {name: np.array([float(line[name]) for line in lines]) for name in lines[0]}
            step = table.pop("step").astype(int)
        except (ValueError, TypeError, LookupError, csv.Error) as e:
            raise InputError(f"{path} is not the history of a training; restore or remove it ({e!r:.100})") from e
        return xr.Dataset({name: ("step", values) for name, values in table.items()}, coords={"step": step})

    @cached_property
    def flow(self) -> dict[str, Any]:
        """The description of the flow; empty if there is none."""
        path = self.paths.flow / DESCRIPTION
        try:
            return dict(json.loads(path.read_text())) if path.is_file() else {}
        except (ValueError, TypeError, RecursionError) as e:
            raise InputError(f"{path} does not describe a flow; restore it, or train the flow again ({e})") from e

    def progress(self) -> dict[str, tuple[int, int]]:
        """Return the numbers of finished and of all partitions of each store; (0, 0) if it does not exist."""
        stores: dict[str, tuple[Path, Callable[[Path], Store]]] = {
            "simulations": (self.paths.simulations, SimulationStore.open),
            "validation": (self.paths.validation, ValidationStore.open),
            "posteriors": (self.paths.posteriors, partial(PosteriorArchive.open, reading=True)),
        }
        opened = {name: opener(path) if path.is_dir() else None for name, (path, opener) in stores.items()}
        return {
            name: (0, 0) if store is None else (len(store.complete()), len(store.partitions))
            for name, store in opened.items()
        }

    def pivots(self, bands: list[str]) -> dict[str, float]:
        """Return the pivot wavelengths in nm of the bands whose curves can still be read."""
        curves = self.config.get("model", {}).get("bands", {})
        found = {}
        for band in bands:
            try:
                found[band] = load_curve(str(curves[band])).pivot_nm
            except (KeyError, InputError):
                continue  # a user's own curve may have moved since
        return found


def open_folder(run: Path) -> RunFolder:
    """Return the parts of a run.

    Raises:
        InputError: if the folder is not a run.
    """
    made = Run(run).read()
    return RunFolder(run, made.config, made.provenance)


def _finished(store: xr.Dataset | None, rows: str) -> xr.Dataset | None:
    """Return the rows of finished partitions, or None if there are none."""
    if store is None:
        return None
    done = np.repeat(store["status"].values == 1, int(store.attrs["partition_size"]))[: store.sizes[rows]]
    if done.all():
        return store
    return store.isel({rows: np.flatnonzero(done)}) if done.any() else None
