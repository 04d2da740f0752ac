"""`hpcflow infer`: a posterior for every cluster of the catalogues."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from hpcflow.compute.where import Where
from hpcflow.config import Config, difference
from hpcflow.errors import InputError
from hpcflow.flow import checkpoint
from hpcflow.flow.precision import one_thread
from hpcflow.posterior.cluster import Engine, Settings
from hpcflow.posterior.support import Support
from hpcflow.stages.build import build_prior, config_of, simulator_of
from hpcflow.stages.loop import run_missing
from hpcflow.stages.progress import log, log_to
from hpcflow.stages.run import Run, digest_file, provenance, refuse_other_sources
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.catalog import Catalogue, read_catalogue
from hpcflow.store.partitions import Partition

__all__ = ["infer", "read_catalogues"]


def infer(config: Config, run: Run, where: Where) -> None:
    """Infer the posteriors that the run's archive lacks.

    Raises:
        InputError: if there is no trained flow, a catalogue cannot be used, or the archive is of another catalogue
            or flow; nothing is written.
        FailedPartitionsError: if partitions were set aside.
    """
    flow = _flow(config, run)
    description = checkpoint.read_description(flow)
    _refuse_another_model(flow, description["config"], config.plain())
    catalogue = read_catalogues(config)
    run.begin("infer", config)
    with log_to(run.logs, "infer"):
        for band, counts in catalogue.counts().items():
            log.info("infer: %s: %s", band, ", ".join(f"{n} {reason.lower()}" for reason, n in counts.items()))
        sources = {"catalogue_sha256": _digest(catalogue), "flow_sha256": digest_file(flow / checkpoint.WEIGHTS)}
        archive = _open_or_create(config, run, catalogue, sources, description)
        run_missing("infer", run, infer_partition, archive.partitions, archive.missing(), where)


def read_catalogues(config: Config) -> Catalogue:
    """Return the clusters of all catalogues that the config names.

    Raises:
        InputError: if there is none, or one cannot be used.
    """
    wanted = config.infer
    columns = wanted.columns.model_dump(exclude_none=True) if wanted.columns else None
    return Catalogue.concatenate(
        [
            read_catalogue(
                path,
                config.model.bands,
                format=wanted.format,
                galaxy=wanted.galaxy,
                distances=wanted.distance_mpc,
                classes=wanted.classes,
                columns=columns,
                unit=wanted.unit,
                check_units=wanted.check_units,
            )
            for path in wanted.catalogues
        ]
    )


def infer_partition(run: str, partition: Partition) -> None:
    """Infer and write one partition's clusters; what a worker does."""
    archive = _archive(run)
    names = ("galaxy", "cluster_id", "flux", "sigma", "observed", "distance", "reason")
    archive.write(partition, _engine(run).infer({name: archive.read(name, partition) for name in names}))


@cache
def _archive(run: str) -> PosteriorArchive:
    return PosteriorArchive.open(Run(Path(run)).posteriors)


@cache
def _engine(run: str) -> Engine:
    one_thread()
    folder = _flow(config_of(run), Run(Path(run)))
    wanted = config_of(run).infer
    settings = Settings(wanted.samples, wanted.keep, wanted.predictive, wanted.modes, wanted.seed)
    support = Support.from_plain(checkpoint.read_description(folder)["support"])
    return Engine(checkpoint.load(folder), simulator_of(run), support, settings)


def _flow(config: Config, run: Run) -> Path:
    """Return where the flow is: the run's own, or that of the run that `infer.flow` names."""
    return Run(Path(config.infer.flow)).flow if config.infer.flow else run.flow


def _refuse_another_model(flow: Path, trained: dict[str, Any], config: dict[str, Any]) -> None:
    changed = [line for key in ("model", "observe") for line in difference(trained[key], config[key], key)]
    if changed:
        raise InputError(
            f"{flow} was trained for another model ({'; '.join(changed[:5])}): name another run in infer.flow, "
            "or train a flow for this one"
        )


def _open_or_create(
    config: Config, run: Run, catalogue: Catalogue, sources: dict[str, str], description: dict[str, Any]
) -> PosteriorArchive:
    if run.posteriors.exists():
        archive = PosteriorArchive.open(run.posteriors)
        refuse_other_sources(run.posteriors, archive.attrs, sources)
        return archive
    versions = provenance()
    attrs = {
        **sources,
        "title": f"posteriors of star clusters: {config.name}",
        "source": description["source"],
        "seed": config.infer.seed,
        "samples_drawn": config.infer.samples,
        "systematic": config.observe.systematic,
        "log_weight": "none: samples are the flow's own, not reweighted by a likelihood",
        "hpcflow": versions["versions"]["starcluster-hpcflow"],
        "git": versions["git"],
    }
    return PosteriorArchive.create(
        run.posteriors,
        catalogue=catalogue,
        systematic=config.observe.systematic,
        partition=config.infer.partition,
        samples=config.infer.keep,
        modes=config.infer.modes,
        parameters=build_prior(config).parameters,
        attrs=attrs,
    )


def _digest(catalogue: Catalogue) -> str:
    arrays = (catalogue.flux, catalogue.sigma, catalogue.distance)
    names = "\0".join(catalogue.galaxy.tolist() + catalogue.cluster_id.tolist()).encode()
    return hashlib.sha256(b"".join([names, *(a.tobytes() for a in arrays)])).hexdigest()
