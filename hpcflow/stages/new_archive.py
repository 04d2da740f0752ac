"""An archive with the photometry of a catalogue and no posteriors yet, and all that it says of their origin."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hpcflow.base.errors import InputError
from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.known import known_variables
from hpcflow.config.load import Config
from hpcflow.flow import checkpoint
from hpcflow.posterior.exact import ExactModel
from hpcflow.sources.own.own import OWN
from hpcflow.stages.build import (
    build_derived,
    build_likelihood,
    build_prior,
    build_scale,
    build_simulator,
    source_of,
)
from hpcflow.stages.build_inference import polish_of, target_of
from hpcflow.stages.run import Run, digest_file, provenance
from hpcflow.stages.same_model import columns_of
from hpcflow.stages.trained import trained_flow
from hpcflow.stages.which import EXACT, flow_of, posterior_of, sampling_of
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.kind import kind_attributes

__all__ = ["Origin", "create_archive", "origin_of"]

DISTANCES = {  # by infer.marginalise_distance
    False: "errors of the distances are neglected",
    True: "samples are marginalised over the errors of the distances; modes and MAP are at the best distance",
}


@dataclass(frozen=True)
class Origin:
    """What posteriors come from.

    Args:
        kind: `exact` or `flow`.
        made_from: hashes of what an archive cannot be continued without; of a flow, its weights.
        notes: further attributes of the archive: how samples are drawn, weighed and polished.
        weighted: whether samples have weights.
    """

    kind: str
    made_from: Mapping[str, str]
    notes: Mapping[str, Any]
    weighted: bool


def origin_of(config: Config, run: Run) -> Origin:
    """Return what the posteriors of a run come from.

    Raises:
        InputError: if the flow is missing, damaged or of another model, the model has no exact posterior, or modes
            cannot be polished as the config says.
    """
    kind = posterior_of(config, run)
    made_from, source = _exact(config) if kind == EXACT else _of_flow(config, flow_of(config, run))
    target, weighed_by = target_of(config)
    notes = {"polish": polish_of(config.infer.polish, target), "posterior": kind, "source": source}
    if kind != EXACT:
        notes |= {"log_weight": weighed_by, "sampling": sampling_of(run, config)}
    return Origin(kind, made_from, notes, weighted=target is not None and kind != EXACT)


def create_archive(path: Path, config: Config, catalogue: Catalogue, origin: Origin, **more: str) -> PosteriorArchive:
    """Create an archive with the photometry of a catalogue and no posteriors yet.

    Args:
        path: folder of the archive; it must not exist.
        config: what to compute.
        catalogue: the objects.
        origin: what posteriors come from.
        more: further attributes.

    Raises:
        InputError: if the folder exists.
    """
    versions, derived = provenance(), build_derived(config)
    if not config.infer.marginalise_distance:
        catalogue = replace(catalogue, distance_error=np.zeros(len(catalogue)))
    systematic, parameters, scale = config.observe.systematic, build_prior(config).parameters, build_scale(config)
    attrs = {
        **more,
        **origin.made_from,
        **origin.notes,
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
        path,
        known=known_variables(catalogue, systematic, parameters, config.observe.band_sets, scale.given),
        bands=catalogue.bands,
        partition=config.infer.partition,
        samples=config.infer.keep,
        modes=config.infer.modes,
        parameters=parameters,
        attrs=attrs,
        weighted=origin.weighted,
        exact=origin.kind == EXACT,
        band_sets=config.observe.band_sets,
        derived=derived.quantities if derived else (),
        given=scale.given,
    )


def _exact(config: Config) -> tuple[dict[str, str], Mapping[str, Any]]:
    """Return what exact posteriors are made from, and the provenance of the simulator.

    Raises:
        InputError: if the model has none.
    """
    ExactModel.order_of(build_likelihood(config))
    return {"posterior": EXACT}, build_simulator(config).provenance


def _of_flow(config: Config, flow: Path) -> tuple[dict[str, str], Mapping[str, Any]]:
    """Return what a flow's posteriors are made from, and the provenance of the simulator.

    Raises:
        InputError: if the flow is missing, damaged or of another model.
    """
    description = checkpoint.read_description(flow)
    trained_flow(flow)  # so that damaged weights are reported once, not by every worker
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
