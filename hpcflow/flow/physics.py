"""What a flow may know of the model that it learns to invert: the simulator, and the prior of what is simulated."""

from dataclasses import dataclass

from hpcflow.model.prior import Prior
from hpcflow.model.simulator import Simulator

__all__ = ["Physics"]


@dataclass(frozen=True)
class Physics:
    """A fast simulator of unscaled fluxes.

    Args:
        simulator: the simulator.
        prior: prior of its parameters, in its order.
    """

    simulator: Simulator
    prior: Prior
