"""Open trained flows, with the simulator of those that need it."""

from pathlib import Path

from hpcflow.flow import checkpoint
from hpcflow.flow.estimator import Estimator
from hpcflow.stages.build import build_simulator
from hpcflow.stages.same_model import trained_config

__all__ = ["trained_flow"]


def trained_flow(folder: Path) -> Estimator:
    """Return the trained flow in a folder, ready for inference.

    Raises:
        InputError: if it is missing or damaged, or was trained with a config that this version does not know.
    """
    needs = "scale_errors" in checkpoint.read_description(folder)
    return checkpoint.load(folder, build_simulator(trained_config(folder)) if needs else None)
