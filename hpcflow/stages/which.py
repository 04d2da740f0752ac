"""Which posterior a run's archive holds: that of a trained flow, or the exact one, which needs no training."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from hpcflow.base.errors import InputError
from hpcflow.config.load import Config
from hpcflow.flow import checkpoint, shipped
from hpcflow.posterior.exact import ExactModel
from hpcflow.posterior.proposal import ExactProposal, FlowProposal, Proposal
from hpcflow.posterior.support import Support
from hpcflow.stages.build import build_likelihood, build_observer, build_prior, build_scale, model_fluxes
from hpcflow.stages.run import Run
from hpcflow.stages.same_model import columns_of, unseen_bands
from hpcflow.stages.trained import trained_flow
from hpcflow.store.archive import PosteriorArchive

__all__ = [
    "COARSE",
    "EXACT",
    "FLOW",
    "flow_named",
    "flow_of",
    "open_proposal",
    "open_support",
    "posterior_of",
    "sampling_of",
]

EXACT, FLOW = "exact", "flow"
COARSE = 1.5  # errors by which colours change inside a cell; weights remove what that does


def posterior_of(config: Config, run: Run) -> str:
    """Return `exact` or `flow`: what the archive holds, else what the config asks for.

    With `infer.posterior: auto` it is the flow where one is trained or named, and else the exact posterior where the
    model has one.
    """
    for path in (run.posteriors, run.before):
        if path.exists():
            return str(PosteriorArchive.open(path).attrs.get("posterior", FLOW))
    wanted = config.infer
    if wanted.posterior != "auto":
        return wanted.posterior
    if wanted.flow is not None or run.flow.exists() or not wanted.weights:
        return FLOW
    return EXACT if _has_exact(config) else FLOW


def _has_exact(config: Config) -> bool:
    """Return whether the model has an exact posterior that can be computed."""
    try:
        ExactModel.order_of(build_likelihood(config))
    except InputError:
        return False
    return True


def flow_of(config: Config, run: Run) -> Path:
    """Return the folder of the flow: the run's own, or the one that `infer.flow` names.

    Raises:
        InputError: if it names a flow that does not ship.
    """
    return flow_named(config.infer.flow) if config.infer.flow else run.flow


def flow_named(name: str) -> Path:
    """Return the folder of a flow.

    Args:
        name: `shipped:NAME`, the folder of a run, or that of the flow itself.

    Raises:
        InputError: if no flow of that name ships.
    """
    if name.startswith(shipped.PREFIX):
        return shipped.folder(name.removeprefix(shipped.PREFIX))
    return Path(name) if (Path(name) / checkpoint.DESCRIPTION).is_file() else Run(Path(name)).flow


def sampling_of(run: Run, config: Config) -> str:
    """Return the kind of random numbers of the samples: what the archive was begun with, else what the config says."""
    for path in (run.posteriors, run.before):
        if path.exists():
            return str(PosteriorArchive.open(path).attrs.get("sampling", "independent"))
    return config.infer.sampling


def open_proposal(config: Config, run: Run) -> Proposal:
    """Return what samples of the run's objects are drawn from.

    Raises:
        InputError: if the flow is missing or damaged, or the model has no exact posterior.
    """
    if posterior_of(config, run) == EXACT:
        return ExactProposal(ExactModel(build_likelihood(config), COARSE), config.infer.seed)
    flow = flow_of(config, run)
    columns = columns_of(flow, config)
    estimator = trained_flow(flow, config.model.bands if columns is None else None)
    return FlowProposal(estimator, config.infer.seed, sampling_of(run, config), columns)


def open_support(config: Config, run: Run) -> Support:
    """Return the range of the data that the flow was trained on, or else that the model can produce."""
    flow = flow_of(config, run) if posterior_of(config, run) == FLOW else None
    columns = None if flow is None else columns_of(flow, config)
    if flow is not None and columns is not None:
        return Support.from_plain(checkpoint.read_description(flow)["support"]).of_bands(columns)
    flux, size = model_fluxes(config), build_scale(config).parameter
    if flux is None:
        raise InputError("exact posteriors need a faster simulator; train a flow for this one")
    prior = build_prior(config)
    column = prior.names.index(size)
    support = Support.of_library(build_observer(config), flux, (prior.low[column], prior.high[column]))
    return support if flow is None else replace(support, unseen=np.array(unseen_bands(flow, config)))
