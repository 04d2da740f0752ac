"""`hpcflow infer`: the posterior of every cluster in the catalogues."""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.base.partitions import Partition
from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.galaxies import normalise_galaxy
from hpcflow.compute.once import once_per_worker
from hpcflow.compute.where import Where
from hpcflow.config.load import Config, with_values
from hpcflow.flow.precision import one_thread
from hpcflow.posterior.inference import Inference
from hpcflow.stages.build import config_of, simulator_of
from hpcflow.stages.build_inference import build_inference, rows_of
from hpcflow.stages.input import read_catalogues
from hpcflow.stages.loop import run_missing
from hpcflow.stages.new_archive import Origin, create_archive, origin_of
from hpcflow.stages.progress import log, log_to
from hpcflow.stages.run import Run, refuse_other_sources
from hpcflow.stages.which import EXACT, FLOW
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.reuse import Reuse

__all__ = ["infer"]

SAYS = {EXACT: "posteriors are exact, and need no flow", FLOW: "posteriors are those of the trained flow"}


def infer(config: Config, run: Run, where: Where, galaxy: str | None = None, append: bool = False) -> None:
    """Infer the posteriors that the run's archive lacks.

    Args:
        config: what to compute.
        run: the run that holds the archive.
        where: where to run the workers.
        galaxy: infer only this galaxy's clusters, again if they have posteriors. Other clusters in its partitions are
            inferred again too, with the same result.
        append: add the config's catalogues to those of the archive, and infer clusters again whose distance is new.

    Raises:
        InputError: if the trained flow is missing or damaged, a catalogue cannot be used, or the archive was made from
            another catalogue or flow; nothing is written.
        FailedPartitionsError: if partitions were set aside.
    """
    origin = origin_of(config, run)
    config = _with_those_before(config, run) if append else config
    catalogue = read_catalogues(config)
    chosen = None if galaxy is None else _of_galaxy(catalogue, normalise_galaxy(galaxy))
    sources = {"catalogue_sha256": _digest(catalogue), **origin.made_from}
    may_differ = ("infer.catalogues:", "infer.distance_mpc") if append else ()
    run.refuse(config, may_differ)
    if append:
        _set_aside(run, sources)
    run.begin("infer", config, may_differ)
    with log_to(run.log("infer")):
        for note in catalogue.notes:
            log.info("infer: %s", note)
        for band, counts in catalogue.counts().items():
            log.info("infer: %s: %s", band, ", ".join(f"{n} {reason.lower()}" for reason, n in counts.items()))
        log.info("infer: %s", SAYS[origin.kind])
        archive = _open_or_create(config, run, catalogue, sources, origin)
        everything = archive.partitions
        if chosen is not None:
            everything = [p for p in everything if chosen[p.start : p.stop].any()]
            for partition in everything:
                archive.forget(partition)
        todo = {p.index for p in archive.missing()}
        run_missing("infer", run, infer_partition, everything, [p for p in everything if p.index in todo], where)
        if not archive.missing():
            shutil.rmtree(run.before, ignore_errors=True)


def _of_galaxy(catalogue: Catalogue, galaxy: str) -> NDArray[np.bool_]:
    """Return a mask (N,) of the clusters of a galaxy.

    Raises:
        InputError: if it has none.
    """
    if (rows := catalogue.galaxy == galaxy).any():
        return rows
    there = ", ".join(np.unique(catalogue.galaxy).tolist())
    raise InputError(f"the catalogues have no cluster of {galaxy}; use --galaxy with one of {there}")


def _with_those_before(config: Config, run: Run) -> Config:
    """Return the config with the catalogues of the run's archive put before its own."""
    before = run.config().infer.catalogues if run.posteriors.exists() or run.before.exists() else []
    added = [path for path in config.infer.catalogues if path not in before]
    return with_values(config, {"infer.catalogues": [*before, *added]})


def _set_aside(run: Run, sources: Mapping[str, str]) -> None:
    """Move the archive aside if there are more clusters now, so that the new one can reuse its posteriors.

    Raises:
        InputError: if it was made with another flow, or clusters added earlier have no posteriors yet.
    """
    if not run.posteriors.exists():
        return
    attrs = PosteriorArchive.open(run.posteriors).attrs
    refuse_other_sources(run.posteriors, attrs, {k: v for k, v in sources.items() if k != "catalogue_sha256"})
    if attrs["catalogue_sha256"] == sources["catalogue_sha256"]:
        return
    if run.before.exists():
        raise InputError(f"{run.posteriors} lacks posteriors of clusters added earlier; run `hpcflow infer` first")
    run.posteriors.rename(run.before)


def infer_partition(run: str, partition: Partition) -> None:
    """Infer and write one partition's clusters; this is a worker's task."""
    archive = _archive(run)
    rows = rows_of(archive, partition)
    found = np.full(len(partition), -1) if (reuse := _reuse(run)) is None else reuse.find(rows)
    old, new = np.flatnonzero(found >= 0), np.flatnonzero(found < 0)
    if not len(old):
        archive.write(partition, _inference(run).infer(rows))
        return
    stored = {} if reuse is None else reuse.read(found[old])
    if len(new):
        made = archive.stored(_inference(run).infer({name: values[new] for name, values in rows.items()}), len(new))
        order = np.argsort(np.concatenate([old, new]))
        stored = {name: np.concatenate([stored[name], made[name]])[order] for name in made}
    archive.write_stored(partition, stored)


@once_per_worker
def _inference(run: str) -> Inference:
    one_thread()
    return build_inference(config_of(run), Run(Path(run)), simulator_of(run))


@once_per_worker
def _archive(run: str) -> PosteriorArchive:
    return PosteriorArchive.open(Run(Path(run)).posteriors)


@once_per_worker
def _reuse(run: str) -> Reuse | None:
    before = Run(Path(run)).before
    return Reuse(PosteriorArchive.open(before)) if before.exists() else None


def _open_or_create(
    config: Config, run: Run, catalogue: Catalogue, sources: Mapping[str, str], origin: Origin
) -> PosteriorArchive:
    if not run.posteriors.exists():
        return create_archive(run.posteriors, config, catalogue, origin, catalogue_sha256=sources["catalogue_sha256"])
    archive = PosteriorArchive.open(run.posteriors)
    refuse_other_sources(run.posteriors, archive.attrs, sources)
    archive.check()  # workers read its photometry
    return archive


def _digest(catalogue: Catalogue) -> str:
    found = hashlib.sha256("\0".join(catalogue.galaxy.tolist() + catalogue.cluster_id.tolist()).encode())
    more = [catalogue.given[name] for name in catalogue.given] + [
        catalogue.given_error[n] for n in catalogue.given_error
    ]
    for array in (catalogue.flux, catalogue.sigma, catalogue.distance, catalogue.distance_error, *more):
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()
