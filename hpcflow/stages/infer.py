"""`hpcflow infer`: the posterior of every cluster in the catalogues."""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.base.partitions import Partition
from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.galaxies import normalise_galaxy
from hpcflow.catalogues.known import known_variables
from hpcflow.catalogues.phangs_sed import is_sed, obs_of
from hpcflow.catalogues.read import read_catalogue
from hpcflow.catalogues.read_options import ReadOptions
from hpcflow.compute.once import once_per_worker
from hpcflow.compute.where import Where
from hpcflow.config.load import Config, with_values
from hpcflow.flow import checkpoint
from hpcflow.flow.precision import one_thread
from hpcflow.posterior.exact import ExactModel
from hpcflow.posterior.inference import Inference, Settings
from hpcflow.posterior.target import Target
from hpcflow.sources.own.own import OWN
from hpcflow.stages.build import (
    build_derived,
    build_likelihood,
    build_nuisance,
    build_prior,
    build_scale,
    build_simulator,
    config_of,
    model_fluxes,
    simulator_of,
    source_of,
)
from hpcflow.stages.loop import run_missing
from hpcflow.stages.progress import log, log_to
from hpcflow.stages.run import Run, digest_file, provenance, refuse_other_sources
from hpcflow.stages.same_model import columns_of
from hpcflow.stages.which import EXACT, FLOW, flow_of, open_proposal, open_support, posterior_of, sampling_of
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.flags import LARGEST_ERROR
from hpcflow.store.kind import given_names, kind_attributes
from hpcflow.store.reuse import Reuse

__all__ = ["infer", "options_of", "read_catalogues"]

SAYS = {EXACT: "posteriors are exact, and need no flow", FLOW: "posteriors are those of the trained flow"}
DISTANCES = {  # by infer.marginalise_distance
    False: "errors of the distances are neglected",
    True: "samples are marginalised over the errors of the distances; modes and MAP are at the best distance",
}


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
    kind = posterior_of(config, run)
    origin, source = _origin(config, run, kind)
    config = _with_those_before(config, run) if append else config
    target, weighed_by = _target(config)
    says = {"polish": _polish(config.infer.polish, target), "posterior": kind, "source": source}
    says |= {"log_weight": weighed_by, "sampling": sampling_of(run, config)} if kind == FLOW else {}
    catalogue = read_catalogues(config)
    chosen = None if galaxy is None else _rows_of(catalogue, normalise_galaxy(galaxy))
    sources = {"catalogue_sha256": _digest(catalogue), **origin}
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
        log.info("infer: %s", SAYS[kind])
        archive = _open_or_create(config, run, catalogue, sources, says, weighted=target is not None)
        everything = archive.partitions
        if chosen is not None:
            everything = [p for p in everything if chosen[p.start : p.stop].any()]
            for partition in everything:
                archive.forget(partition)
        todo = {p.index for p in archive.missing()}
        run_missing("infer", run, infer_partition, everything, [p for p in everything if p.index in todo], where)
        if not archive.missing():
            shutil.rmtree(run.before, ignore_errors=True)


def read_catalogues(config: Config) -> Catalogue:
    """Return the clusters of all catalogues that the config names, grouped by galaxy.

    Raises:
        InputError: if no catalogue is named, one cannot be used, or no cluster has a distance.
    """
    paths, options = _with_photometry(config.infer.catalogues), options_of(config)
    whole = Catalogue.concatenate([read_catalogue(path, config.model.bands, options) for path in paths]).by_galaxy()
    if source_of(config).in_galaxies:
        whole.refuse_without_distance()
    # Log-normal noise would force the model to at least twice the error of a faint band.
    return whole.bright(config.observe.systematic, LARGEST_ERROR) if config.observe.noise == "lognormal" else whole


def options_of(config: Config) -> ReadOptions:
    """Return the options with which to read the config's catalogues."""
    wanted = config.infer
    given = wanted.model_dump(include={f.name for f in fields(ReadOptions)}, exclude_none=True)
    checked = wanted.check_units and wanted.catalogues  # computing the models takes seconds
    return ReadOptions(
        **given,
        source=source_of(config),
        may_lack=config.observe.missing > 0,
        negative=config.observe.noise == "normal",
        model_fluxes=model_fluxes(config) if checked else None,
    )


def _with_photometry(paths: Sequence[str]) -> list[str]:
    """Return the catalogues without `sed` tables whose `obs` table is named too: the two are read together."""
    there = {path: Path(path).resolve() for path in paths if Path(path).is_file()}  # others are refused when read
    named = set(there.values())
    return [path for path in paths if not (is_sed(Path(path)) and path in there and obs_of(there[path]) in named)]


def _rows_of(catalogue: Catalogue, galaxy: str) -> NDArray[np.bool_]:
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
    given = [f"{name}{of}" for name in given_names(archive.attrs) for of in ("", "_error")]
    names = ("galaxy", "cluster_id", "flux", "sigma", "observed", "reason", *given)
    rows = {name: archive.read(name, partition) for name in names}
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
def _archive(run: str) -> PosteriorArchive:
    return PosteriorArchive.open(Run(Path(run)).posteriors)


@once_per_worker
def _reuse(run: str) -> Reuse | None:
    before = Run(Path(run)).before
    return Reuse(PosteriorArchive.open(before)) if before.exists() else None


@once_per_worker
def _inference(run: str) -> Inference:
    one_thread()
    config, folder = config_of(run), Run(Path(run))
    wanted, exact = config.infer, posterior_of(config, folder) == EXACT
    target, _ = _target(config)
    settings = Settings(
        samples=wanted.samples,
        keep=wanted.keep,
        predictive=wanted.predictive,
        modes=wanted.modes,
        seed=wanted.seed,
        polish=_polish(wanted.polish, target),
        refine=wanted.refine and not exact,
        exact=exact,
    )
    proposal, support = open_proposal(config, folder), open_support(config, folder)
    return Inference(
        proposal, simulator_of(run), support, settings, target, build_derived(config), build_nuisance(config)
    )


def _target(config: Config) -> tuple[Target | None, str]:
    """Return the exact density that gives samples their weights, or None, and the archive's note about it."""
    if not config.infer.weights:
        return None, "none: infer.weights is false"
    try:
        return Target(build_likelihood(config)), "from the likelihood of the observations that training draws"
    except InputError as e:
        return None, f"none: {e}"


def _polish(wanted: str, target: Target | None) -> str:
    """Return the name of the density that modes maximise.

    Raises:
        InputError: if the exact density is wanted but not tractable.
    """
    if wanted == "exact" and target is None:
        raise InputError("infer.polish: exact needs a tractable likelihood; use auto, flow or none")
    return ("exact" if target else "none") if wanted == "auto" else wanted


def _origin(config: Config, run: Run, kind: str) -> tuple[dict[str, str], Mapping[str, Any]]:
    """Return what an archive is made from besides its catalogue, and the provenance of the simulator.

    Raises:
        InputError: if the flow is missing, damaged or of another model, or the model has no exact posterior.
    """
    if kind == EXACT:
        ExactModel.order_of(build_likelihood(config))
        return {"posterior": EXACT}, build_simulator(config).provenance
    flow = flow_of(config, run)
    description = checkpoint.read_description(flow)
    checkpoint.load(flow)  # so that damaged weights are reported once, not by every worker
    columns_of(flow, config)  # so that another model is refused before anything is written
    _refuse_changed_simulator(flow, description["source"], config)
    return {"flow_sha256": digest_file(flow / checkpoint.WEIGHTS)}, description["source"]


def _refuse_changed_simulator(flow: Path, source: Mapping[str, Any], config: Config) -> None:
    """Raise if the file of a simulator of one's own is not the one that the flow's library was made with."""
    if config.source == OWN and build_simulator(config).provenance != source:
        raise InputError(
            f"{config.model.simulator} has changed since the library of {flow} was simulated; restore it, or simulate "
            "and train again in another run folder"
        )


def _open_or_create(
    config: Config, run: Run, catalogue: Catalogue, sources: dict[str, str], says: dict[str, Any], weighted: bool
) -> PosteriorArchive:
    if run.posteriors.exists():
        archive = PosteriorArchive.open(run.posteriors)
        refuse_other_sources(run.posteriors, archive.attrs, sources)
        archive.check()  # workers read its photometry
        return archive
    versions, derived = provenance(), build_derived(config)
    if not config.infer.marginalise_distance:
        catalogue = replace(catalogue, distance_error=np.zeros(len(catalogue)))
    systematic, parameters, scale = config.observe.systematic, build_prior(config).parameters, build_scale(config)
    attrs = {
        **sources,
        **says,
        **kind_attributes(source_of(config)),
        "title": f"posteriors of {source_of(config).plural}: {config.name}",
        "seed": config.infer.seed,
        "samples_drawn": config.infer.samples,
        "systematic": systematic,
        "distances": f"{config.infer.distances}; {DISTANCES[config.infer.marginalise_distance]}",
        "hpcflow": versions["versions"]["starcluster-hpcflow"],
        "git": versions["git"],
    }
    return PosteriorArchive.create(
        run.posteriors,
        known=known_variables(catalogue, systematic, parameters, config.observe.band_sets, scale.given),
        bands=catalogue.bands,
        partition=config.infer.partition,
        samples=config.infer.keep,
        modes=config.infer.modes,
        parameters=parameters,
        attrs=attrs,
        weighted=weighted and says["posterior"] == FLOW,
        exact=says["posterior"] == EXACT,
        band_sets=config.observe.band_sets,
        derived=derived.quantities if derived else (),
        given=scale.given,
    )


def _digest(catalogue: Catalogue) -> str:
    found = hashlib.sha256("\0".join(catalogue.galaxy.tolist() + catalogue.cluster_id.tolist()).encode())
    more = [catalogue.given[name] for name in catalogue.given] + [
        catalogue.given_error[n] for n in catalogue.given_error
    ]
    for array in (catalogue.flux, catalogue.sigma, catalogue.distance, catalogue.distance_error, *more):
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()
