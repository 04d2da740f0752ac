"""`hpcflow infer`: a posterior for every cluster of the catalogues."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from hpcflow.compute.where import Where
from hpcflow.config import Config, difference
from hpcflow.errors import InputError
from hpcflow.flow import checkpoint
from hpcflow.flow.precision import one_thread
from hpcflow.posterior.cluster import Engine, Settings
from hpcflow.posterior.support import Support
from hpcflow.posterior.target import Target
from hpcflow.stages.build import build_likelihood, build_prior, config_of, model_fluxes, simulator_of
from hpcflow.stages.loop import run_missing
from hpcflow.stages.progress import log, log_to
from hpcflow.stages.run import Run, digest_file, provenance, refuse_other_sources
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.catalog import Catalogue, read_catalogue
from hpcflow.store.partitions import Partition
from hpcflow.store.phangs_sed import is_sed, obs_of

__all__ = ["flow_of", "infer", "read_catalogues"]

DISTANCES = {  # by infer.marginalise_distance
    False: "their errors are neglected",
    True: "samples are drawn for distances of their own law; modes and MAP are those at the best distance",
}


def infer(config: Config, run: Run, where: Where) -> None:
    """Infer the posteriors that the run's archive lacks.

    Raises:
        InputError: if there is no trained flow or it is damaged, a catalogue cannot be used, or the archive is of
            another catalogue or flow; nothing is written.
        FailedPartitionsError: if partitions were set aside.
    """
    flow = flow_of(config, run)
    description = checkpoint.read_description(flow)
    checkpoint.load(flow)  # damaged weights are said here, not by every worker
    _refuse_another_model(flow, Config.model_validate(description["config"]).plain(), config.plain())
    target, weighed_by = _target(config)
    says = {"log_weight": weighed_by, "polish": _polish(config.infer.polish, target)}
    catalogue = read_catalogues(config)
    run.begin("infer", config)
    with log_to(run.logs, "infer"):
        for note in catalogue.notes:
            log.info("infer: %s", note)
        for band, counts in catalogue.counts().items():
            log.info("infer: %s: %s", band, ", ".join(f"{n} {reason.lower()}" for reason, n in counts.items()))
        sources = {"catalogue_sha256": _digest(catalogue), "flow_sha256": digest_file(flow / checkpoint.WEIGHTS)}
        says["source"] = description["source"]
        archive = _open_or_create(config, run, catalogue, sources, says, weighted=target is not None)
        run_missing("infer", run, infer_partition, archive.partitions, archive.missing(), where)


def read_catalogues(config: Config) -> Catalogue:
    """Return the clusters of all catalogues that the config names.

    Raises:
        InputError: if there is none, or one cannot be used.
    """
    wanted = config.infer
    columns = wanted.columns.model_dump(exclude_none=True) if wanted.columns else None
    model = model_fluxes(config) if wanted.check_units and wanted.catalogues else None
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
                negative=config.observe.noise == "normal",
                source=wanted.distances,
                errors=wanted.distance_error_dex,
                classification=wanted.classification,
                model=model,
            )
            for path in _with_photometry(wanted.catalogues)
        ]
    )


def _with_photometry(paths: Sequence[str]) -> list[str]:
    """Return the catalogues without tables of fits whose `obs` table is named too: that is read with its own."""
    named = {Path(path).resolve() for path in paths}
    return [path for path in paths if not (is_sed(Path(path)) and obs_of(Path(path).resolve()) in named)]


def infer_partition(run: str, partition: Partition) -> None:
    """Infer and write one partition's clusters; what a worker does."""
    archive = _archive(run)
    names = ("galaxy", "cluster_id", "flux", "sigma", "observed", "distance", "distance_error", "reason")
    archive.write(partition, _engine(run).infer({name: archive.read(name, partition) for name in names}))


@cache
def _archive(run: str) -> PosteriorArchive:
    return PosteriorArchive.open(Run(Path(run)).posteriors)


@cache
def _engine(run: str) -> Engine:
    one_thread()
    folder = flow_of(config_of(run), Run(Path(run)))
    wanted = config_of(run).infer
    target, _ = _target(config_of(run))
    settings = Settings(
        samples=wanted.samples,
        keep=wanted.keep,
        predictive=wanted.predictive,
        modes=wanted.modes,
        seed=wanted.seed,
        polish=_polish(wanted.polish, target),
        refine=wanted.refine,
    )
    support = Support.from_plain(checkpoint.read_description(folder)["support"])
    return Engine(checkpoint.load(folder), simulator_of(run), support, settings, target)


def _target(config: Config) -> tuple[Target | None, str]:
    """Return the exact density that samples are weighed by, where there is one, and what the archive says of it."""
    if not config.infer.weights:
        return None, "none: infer.weights is false"
    try:
        return Target(build_likelihood(config)), "by the likelihood that training's observations have"
    except InputError as e:
        return None, f"none: {e}"


def _polish(wanted: str, target: Target | None) -> str:
    """Return the density that modes are climbed on.

    Raises:
        InputError: if it is to be the exact one, and there is none.
    """
    if wanted == "exact" and target is None:
        raise InputError("infer.polish: exact needs a model whose likelihood is tractable; use auto, flow or none")
    return ("exact" if target else "none") if wanted == "auto" else wanted


def flow_of(config: Config, run: Run) -> Path:
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
    config: Config, run: Run, catalogue: Catalogue, sources: dict[str, str], says: dict[str, str], weighted: bool
) -> PosteriorArchive:
    if run.posteriors.exists():
        archive = PosteriorArchive.open(run.posteriors)
        refuse_other_sources(run.posteriors, archive.attrs, sources)
        return archive
    versions = provenance()
    if not config.infer.marginalise_distance:
        catalogue = replace(catalogue, distance_error=np.zeros(len(catalogue)))
    systematic = config.observe.systematic
    attrs = {
        **sources,
        **says,
        "title": f"posteriors of star clusters: {config.name}",
        "seed": config.infer.seed,
        "samples_drawn": config.infer.samples,
        "systematic": systematic,
        "distances": f"{config.infer.distances}; {DISTANCES[config.infer.marginalise_distance]}",
        "hpcflow": versions["versions"]["starcluster-hpcflow"],
        "git": versions["git"],
    }
    return PosteriorArchive.create(
        run.posteriors,
        catalogue=catalogue,
        systematic=[systematic[b] for b in catalogue.bands] if isinstance(systematic, dict) else systematic,
        partition=config.infer.partition,
        samples=config.infer.keep,
        modes=config.infer.modes,
        parameters=build_prior(config).parameters,
        attrs=attrs,
        weighted=weighted,
        band_sets=config.observe.band_sets,
    )


def _digest(catalogue: Catalogue) -> str:
    found = hashlib.sha256("\0".join(catalogue.galaxy.tolist() + catalogue.cluster_id.tolist()).encode())
    for array in (catalogue.flux, catalogue.sigma, catalogue.distance, catalogue.distance_error):
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()
