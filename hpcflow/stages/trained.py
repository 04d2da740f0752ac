"""Flows and the physics that they may need: a fresh one as a config describes it, or a trained one from its folder."""

from collections.abc import Mapping
from pathlib import Path

from hpcflow.base.errors import InputError
from hpcflow.config.load import Config
from hpcflow.flow import checkpoint
from hpcflow.flow.estimator import Estimator
from hpcflow.flow.exact_scale import ExactScale
from hpcflow.flow.physics import Physics
from hpcflow.stages.build import build_observer, build_physics, build_prior, build_scale
from hpcflow.stages.same_model import trained_config

__all__ = ["member_of", "trained_flow", "untrained_flow"]

SLOTS, LEARNED = "slots", "learned"


def untrained_flow(config: Config) -> Estimator:
    """Return the flow that a config describes, with fresh weights.

    Raises:
        InputError: if it needs to know more of the model than can be known.
    """
    train, physics = config.train, build_physics(config)
    flow = {**train.flow.model_dump(mode="json"), "sees": train.embedding}
    if train.embedding != SLOTS and physics is None:
        raise InputError(f"train.embedding: {train.embedding} needs a faster simulator; set it to {SLOTS}")
    if errors := _scale_errors(config, physics):
        flow["scale_errors"] = errors
    needed = physics if errors or train.embedding != SLOTS else None
    return Estimator(build_prior(config), tuple(config.model.bands), build_scale(config), train.features, flow, needed)


def _scale_errors(config: Config, physics: Physics | None) -> list[float] | None:
    """Return the lowest and highest true relative errors if the density of the scale's parameter is known.

    Raises:
        InputError: if `train.scale` is exact and it is not known.
    """
    wanted, observer = config.train.scale, build_observer(config)
    if wanted == LEARNED:
        return None
    try:
        if observer.noise != "normal" or physics is None:
            raise InputError(
                f"train.scale: exact needs observe.noise: normal and a fast simulator; set it to {LEARNED}"
            )
        ExactScale(physics.simulator, build_prior(config), build_scale(config), observer.errors)
    except InputError:
        if wanted == "exact":
            raise
        return None
    return [observer.errors.low, observer.errors.high]


def member_of(config: Config, folder: Path) -> Estimator:
    """Return a trained member of the ensemble that a config describes."""
    return checkpoint.load(folder, build_physics(config) if _knows(checkpoint.read_description(folder)) else None)


def trained_flow(folder: Path, bands: Mapping[str, str] | None = None) -> Estimator:
    """Return the trained flow in a folder, ready for inference.

    Args:
        folder: where it is.
        bands: label -> curve of other bands to look at objects in; possible if it sees them as a set.

    Raises:
        InputError: if it is missing or damaged, or was trained with a config that this version does not know.
    """
    if not _knows(checkpoint.read_description(folder)):
        return checkpoint.load(folder)
    return checkpoint.load(folder, build_physics(trained_config(folder), bands))


def _knows(description: Mapping[str, object]) -> bool:
    """Return whether a flow needs the physics of its model."""
    flow = description.get("flow")
    return isinstance(flow, dict) and bool({"sees", "scale_errors"} & set(flow))
