"""What every simulator is, and the simulators there are."""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.filters import load_curve
from hpcflow.model.ssp import Ages, SspSimulator
from hpcflow.model.tables import load_ssp

__all__ = ["SIMULATORS", "Simulator", "build_ssp"]

Floats = NDArray[np.floating]


class Simulator(Protocol):
    """Noiseless fluxes of clusters: mJy at 10 pc per solar mass formed; a failed row is NaN, never an exception."""

    parameters: tuple[str, ...]
    bands: tuple[str, ...]
    provenance: dict[str, str]

    def __call__(self, theta: Floats) -> Floats:
        """Return fluxes (N, B) for theta (N, D), columns as `parameters`, in declared units."""
        ...


def build_ssp(
    *,
    ssp: str,
    bands: Mapping[str, str],
    parameters: tuple[str, ...],
    fixed: Mapping[str, float],
    ages: Ages,
    extinction: str,
) -> SspSimulator:
    """Return the `ssp` simulator for names or paths of a table and of filter curves.

    Raises:
        InputError: if a table, curve or parameter is not usable.
    """
    table = load_ssp(ssp, fixed.get("metallicity", 0.02))
    curves = {band: load_curve(curve) for band, curve in bands.items()}
    screen = {name: value for name, value in fixed.items() if name != "metallicity"}
    return SspSimulator(table, curves, parameters, screen, ages, extinction)


SIMULATORS: dict[str, Callable[..., Simulator]] = {"ssp": build_ssp}
