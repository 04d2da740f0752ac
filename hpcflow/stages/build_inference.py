"""The engine of inference, as a config and the flow that it names make it."""

from typing import Any

from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.base.partitions import Partition
from hpcflow.config.load import Config
from hpcflow.model.simulator import Simulator
from hpcflow.posterior.inference import Inference, Settings
from hpcflow.posterior.nuisance import CHOICES
from hpcflow.posterior.target import Target
from hpcflow.stages.build import build_derived, build_likelihood, build_nuisance, engine_of
from hpcflow.stages.run import Run
from hpcflow.stages.which import EXACT, open_proposal, open_support, posterior_of
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.kind import given_names

__all__ = ["build_inference", "polish_of", "rows_of", "target_of"]


def build_inference(config: Config, run: Run, simulator: Simulator) -> Inference:
    """Return the engine that infers the objects of a run.

    Args:
        config: what to compute.
        run: the run, whose flow is used unless the config names another.
        simulator: the config's simulator.

    Raises:
        InputError: if the flow is missing or damaged, or the model has no exact posterior.
    """
    wanted, exact = config.infer, posterior_of(config, run) == EXACT
    target, _ = target_of(config)
    settings = Settings(
        samples=wanted.samples,
        keep=wanted.keep,
        predictive=wanted.predictive,
        modes=wanted.modes,
        seed=wanted.seed,
        polish=polish_of(wanted.polish, target),
        refine=wanted.refine and not exact,
        exact=exact,
        choices=engine_of(config).choices or CHOICES,
    )
    proposal, support = open_proposal(config, run), open_support(config, run)
    return Inference(proposal, simulator, support, settings, target, build_derived(config), build_nuisance(config))


def rows_of(archive: PosteriorArchive, partition: Partition) -> dict[str, NDArray[Any]]:
    """Return what `Inference.infer` takes of a partition's objects: their names, photometry, and all that is given."""
    given = [f"{name}{of}" for name in given_names(archive.attrs) for of in ("", "_error")]
    names = ("galaxy", "cluster_id", "flux", "sigma", "observed", "reason", *given)
    return {name: archive.read(name, partition) for name in names}


def target_of(config: Config) -> tuple[Target | None, str]:
    """Return the exact density that gives samples their weights, or None, and the archive's note about it."""
    if not config.infer.weights:
        return None, "none: infer.weights is false"
    try:
        return Target(build_likelihood(config)), "from the likelihood of the observations that training draws"
    except InputError as e:
        return None, f"none: {e}"


def polish_of(wanted: str, target: Target | None) -> str:
    """Return the name of the density that modes maximise.

    Raises:
        InputError: if the exact density is wanted but not tractable.
    """
    if wanted == "exact" and target is None:
        raise InputError("infer.polish: exact needs a tractable likelihood; use auto, flow or none")
    return ("exact" if target else "none") if wanted == "auto" else wanted
