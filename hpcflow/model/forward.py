"""From parameters to the noiseless fluxes of objects in the sky: a simulator, and the scale of its fluxes."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.model.scale import Scale
from hpcflow.model.simulator import Simulator

__all__ = ["Forward"]

Floats = NDArray[np.floating]


class Forward:
    """Noiseless fluxes in mJy from the parameters theta of objects and what is given of them.

    Args:
        simulator: simulator of unscaled fluxes.
        parameters: names of theta's columns.
        scale: what makes observed fluxes of them.

    Attributes:
        bands: labels of the fluxes' columns.
        size: column of theta that holds the scale's parameter, None if there is none.

    Raises:
        InputError: if the simulator needs a parameter that is neither a column nor given.
    """

    def __init__(self, simulator: Simulator, parameters: Sequence[str], scale: Scale) -> None:
        known = [*parameters, *(quantity.name for quantity in scale.given)]
        if missing := [name for name in simulator.parameters if name not in known]:
            raise InputError(f"the simulator needs {', '.join(missing)}, which is not inferred")
        self._simulator: Callable[[Floats], Floats] = simulator
        self._columns = [known.index(name) for name in simulator.parameters]
        self._inferred = all(column < len(parameters) for column in self._columns)
        self.bands, self.scale = simulator.bands, scale
        self.size = list(parameters).index(scale.parameter) if scale.parameter else None

    def __call__(self, theta: Floats, given: Floats) -> Floats:
        """Return fluxes (n, B) for theta (n, D) and what is given (n, K), or (1, K) of all alike."""
        return self.unscaled(theta, given) * np.asarray(self.factor(theta, given))[..., None]

    def unscaled(self, theta: Floats, given: Floats) -> Floats:
        """Return the simulator's fluxes (n, B) for theta (n, D) and what is given (n, K), or (1, K) of all alike."""
        if self._inferred:
            return self._simulator(theta[:, self._columns])
        whole = np.broadcast_to(given, (len(theta), given.shape[-1]))
        return self._simulator(np.concatenate([theta, whole], axis=1)[:, self._columns])

    def factor(self, theta: Floats, given: Floats) -> Floats:
        """Return the factor (...) of the fluxes for theta (..., D) and what is given (..., K)."""
        return np.asarray(self.scale.factor(None if self.size is None else theta[..., self.size], given))
