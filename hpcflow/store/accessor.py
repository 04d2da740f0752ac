"""An archive in Python: `hpcflow.open`, and what it adds to the dataset as `ds.hpcflow`."""

from pathlib import Path

import numpy as np
import xarray as xr

from hpcflow.base.errors import InputError
from hpcflow.base.paths import RunPaths
from hpcflow.store.flags import MEANINGS, Flag
from hpcflow.store.reading import open_archive
from hpcflow.store.summary import has_posterior

__all__ = ["Accessor", "open_posteriors"]

NAME = "hpcflow"


def open_posteriors(path: str | Path) -> xr.Dataset:
    """Open the posteriors of a run, of this or an earlier version, after comparing their checksums.

    Args:
        path: a run's folder, or that of its archive.

    Returns:
        the archive as a lazy dataset; `ds.hpcflow` is an `Accessor`.

    Raises:
        InputError: if there is no archive.
        DamagedError: if anything in it is not what was written.
    """
    run = RunPaths(Path(path))
    return open_archive(run.posteriors if run.begun else run.path)


@xr.register_dataset_accessor(NAME)
class Accessor:
    """What astronomers ask of an archive, as `ds.hpcflow`.

    Args:
        dataset: an archive.
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    def cluster(self, cluster_id: str | int, galaxy: str | None = None) -> xr.Dataset:
        """Return all variables of one cluster, in memory.

        Args:
            cluster_id: its identifier in the catalogue.
            galaxy: its galaxy as the archive spells it; needed if several have such a cluster.

        Raises:
            InputError: if there is none, or more than one.
        """
        of, identifiers = (np.array(self._dataset[name].values.tolist()) for name in ("galaxy", "cluster_id"))
        found = np.flatnonzero((identifiers == str(cluster_id)) & (True if galaxy is None else of == galaxy))
        if len(found) != 1:
            there = f"one in each of {', '.join(of[found])}; name the galaxy" if len(found) else "none in the archive"
            raise InputError(f"of clusters {cluster_id}{f' of {galaxy}' if galaxy else ''} there is {there}")
        return self._dataset.isel(cluster=int(found[0])).load()

    def with_posterior(self, *without: str) -> xr.Dataset:
        """Return the clusters that have a posterior, and none of these flags.

        Args:
            without: names of flags, such as poor_fit.

        Raises:
            InputError: if there is no such flag.
        """
        names = {str(flag.name).lower(): int(flag) for flag in Flag}
        if unknown := set(without) - set(names):
            raise InputError(f"{', '.join(sorted(unknown))} is no flag; choose among {', '.join(names)}")
        bits = sum(names[name] for name in set(without))
        chosen = has_posterior(self._dataset) & ((self._dataset["flag"].values & bits) == 0)
        return self._dataset.isel(cluster=np.flatnonzero(chosen))

    def flags(self) -> list[dict[str, str]]:
        """Return the flags of each cluster, by name, with what they mean in words."""
        return [
            {str(flag.name).lower(): MEANINGS[flag] for flag in Flag if int(value) & flag}
            for value in self._dataset["flag"].values
        ]

    def drawn(self, n: int, seed: int = 0) -> xr.DataArray:
        """Draw samples of each posterior at random: realisations of the whole catalogue, one for each draw.

        The archive keeps samples in the order of one parameter, so that the i-th of all clusters are no realisation.

        Args:
            n: number of draws.
            seed: seed of the random numbers.

        Returns:
            (draw, cluster, parameter).
        """
        theta = self._dataset["theta"]
        clusters, samples = theta.sizes["cluster"], theta.sizes["sample"]
        chosen = np.random.default_rng(seed).integers(0, samples, (n, clusters))
        values = np.take_along_axis(theta.values[None], chosen[..., None, None], axis=2)[:, :, 0]
        dims = ("draw", "cluster", "parameter")
        kept = {name: c for name, c in theta.coords.items() if set(c.dims) <= {"cluster", "parameter"}}
        return xr.DataArray(values, dims=dims, coords=kept, name="theta", attrs=theta.attrs)
