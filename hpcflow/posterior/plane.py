"""The plane of the simulator's two parameters on an adaptive grid of cells."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from hpcflow.base.errors import InputError
from hpcflow.model.prior import Prior
from hpcflow.model.simulator import Simulator
from hpcflow.posterior.mass import MassGivenFlux

__all__ = ["Cells", "Plane"]

Floats = NDArray[np.floating]

COARSEST = (64, 16)  # cells along the two parameters
LEVELS = 6  # each halves both sides, down to 2048 x 512
WORTH = 9.0  # a cell is dropped if, even filling the whole plane, it would hold less than exp(-WORTH) of the evidence


class Cells(NamedTuple):
    """Cells that contain a posterior.

    unit: (n, 2) centres on the unit square, to which the prior maps the plane; size: (n, 2) side lengths; log_flux:
    (n, B) mean ln F in the observed bands; resolved: (n,) whether colours inside change by less than the errors.
    """

    unit: Floats
    size: Floats
    log_flux: Floats
    resolved: NDArray[np.bool_]


class _Level(NamedTuple):
    """All cells of one size: mean ln F and the range of colours inside each, both (I, J, B)."""

    log_flux: Floats
    change: Floats


class Plane:
    """Unit-mass fluxes over the whole prior of a simulator with two parameters, for every cell size.

    Args:
        simulator: a simulator with two parameters.
        prior: prior of those, in the simulator's order.

    Raises:
        InputError: if the model has no flux in part of the prior.
    """

    def __init__(self, simulator: Simulator, prior: Prior) -> None:
        self._simulator, self.prior = simulator, prior
        self._levels = self._pyramid()

    def log_flux(self, unit: Floats) -> Floats:
        """Return ln F (n, B) at places (n, 2) of the unit square."""
        with np.errstate(divide="ignore", invalid="ignore"):
            log_flux = np.log(self._simulator(self.prior.from_unit(unit)))
        if not np.isfinite(log_flux).all():
            raise InputError(
                "the model has no flux in part of the prior, so exact posteriors cannot be computed; "
                "narrow the bounds in model.parameters"
            )
        return log_flux

    def cells(self, mass: MassGivenFlux, finest: float) -> Cells:
        """Return the cells that contain a cluster's posterior.

        Args:
            mass: density of the cluster's mass.
            finest: cells are halved while colours inside them change by more than this many errors.
        """
        kept: list[Cells] = []
        i, j = (a.ravel() for a in np.indices(COARSEST))
        settled = -np.inf  # log-evidence of the cells kept so far
        for level, table in enumerate(self._levels):
            shape = np.array(COARSEST) * 2**level
            log_area = -float(np.log(shape.prod()))
            log_flux = table.log_flux[i, j][:, mass.used].astype(np.float64)
            change = table.change[i, j][:, mass.used]
            peak = mass.peak(log_flux)
            estimate = peak.height + np.log(peak.width)
            shift = change / 2 * np.sqrt(peak.information)  # largest decrease of the pulls inside the cell
            gain = (peak.pull**2 - np.maximum(np.abs(peak.pull) - shift, 0) ** 2).sum(axis=1) / 2
            total = np.logaddexp(settled, logsumexp(estimate) + log_area)
            worth = estimate + gain > total - WORTH
            resolved = (4 * shift**2).sum(axis=1) < finest**2
            halve = worth & ~resolved if level + 1 < len(self._levels) else np.zeros_like(worth)
            keep = worth & ~halve
            unit = (np.column_stack([i[keep], j[keep]]) + 0.5) / shape
            kept.append(Cells(unit, np.tile(1 / shape, (len(unit), 1)), log_flux[keep], resolved[keep]))
            if keep.any():
                settled = np.logaddexp(settled, logsumexp(estimate[keep]) + log_area)
            i = (2 * i[halve][:, None] + np.array([0, 0, 1, 1])).ravel()
            j = (2 * j[halve][:, None] + np.array([0, 1, 0, 1])).ravel()
            if not len(i):
                break
        return Cells(*(np.concatenate(parts) for parts in zip(*kept, strict=True)))

    def _pyramid(self) -> list[_Level]:
        rows, columns = (n * 2 ** (LEVELS - 1) for n in COARSEST)
        across = (np.arange(columns) + 0.5) / columns
        value = np.stack(
            [
                self.log_flux(np.column_stack([np.full(columns, (row + 0.5) / rows), across])).astype(np.float32)
                for row in range(rows)
            ]
        )
        colour = value - value.mean(axis=-1, keepdims=True)
        half = sum(np.abs(np.asarray(np.gradient(colour, axis=axis))) / 2 for axis in (0, 1))
        low, high = colour - half, colour + half
        levels = [_Level(value, high - low)]
        for _ in range(LEVELS - 1):
            value = _quarters(value).mean(axis=(1, 3))
            low, high = _quarters(low).min(axis=(1, 3)), _quarters(high).max(axis=(1, 3))
            levels.append(_Level(value, high - low))
        return levels[::-1]


def _quarters(values: Floats) -> Floats:
    """Reshape values (2I, 2J, B) to (I, 2, J, 2, B)."""
    rows, columns, bands = values.shape
    return values.reshape(rows // 2, 2, columns // 2, 2, bands)
