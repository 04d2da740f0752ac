"""The plane of the simulator's two parameters on an adaptive grid of cells."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

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
    """Cells that contain the posteriors of some objects, one object after the other.

    unit: (n, 2) centres on the unit square, to which the prior maps the plane; size: (n, 2) side lengths; log_flux:
    (n, B) mean ln F; resolved: (n,) whether colours inside change by less than the errors; of: (n,) the object.
    """

    unit: Floats
    size: Floats
    log_flux: Floats
    resolved: NDArray[np.bool_]
    of: NDArray[np.intp]

    def chosen(self, rows: Any) -> "Cells":
        """Return some of the rows."""
        return Cells(self.unit[rows], self.size[rows], self.log_flux[rows], self.resolved[rows], self.of[rows])


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

    def cells(self, mass: MassGivenFlux, objects: int, finest: float) -> Cells:
        """Return the cells that contain the posteriors of N objects, object by object.

        Args:
            mass: density of the objects' masses.
            objects: number N of objects.
            finest: cells are halved while colours inside them change by more than this many errors.
        """
        kept: list[Cells] = []
        i, j = (np.tile(a.ravel(), objects) for a in np.indices(COARSEST))
        of = np.repeat(np.arange(objects), len(i) // objects)
        settled = np.full(objects, -np.inf)  # log-evidence of the cells kept so far
        for level, table in enumerate(self._levels):
            shape = np.array(COARSEST) * 2**level
            log_area = -float(np.log(shape.prod()))
            log_flux = table.log_flux[i, j].astype(np.float64)
            change = table.change[i, j] / 2
            peak = mass.peak(log_flux, of, slack=change.max(axis=1))
            best = peak.height + np.log(peak.width)
            estimate = np.where(peak.possible, best, -np.inf)  # at the cell's centre; part of it may be possible
            shift = change * np.sqrt(peak.information)  # largest decrease of the pulls inside the cell
            gain = (peak.pull**2 - np.maximum(np.abs(peak.pull) - shift, 0) ** 2).sum(axis=1) / 2
            total = np.logaddexp(settled, _log_sums(estimate, of, objects) + log_area)
            worth = best + gain > total[of] - WORTH
            resolved = (4 * shift**2).sum(axis=1) < finest**2
            halve = worth & ~resolved if level + 1 < len(self._levels) else np.zeros_like(worth)
            keep = worth & ~halve
            unit = (np.column_stack([i[keep], j[keep]]) + 0.5) / shape
            size = np.tile(1 / shape, (len(unit), 1))
            kept.append(Cells(unit, size, log_flux[keep], resolved[keep], of[keep]))
            settled = np.logaddexp(settled, _log_sums(estimate[keep], of[keep], objects) + log_area)
            i = (2 * i[halve][:, None] + np.array([0, 0, 1, 1])).ravel()
            j = (2 * j[halve][:, None] + np.array([0, 1, 0, 1])).ravel()
            of = np.repeat(of[halve], 4)
            if not len(i):
                break
        found = Cells(*(np.concatenate(parts) for parts in zip(*kept, strict=True)))
        order = np.lexsort((*found.unit.T[::-1], found.of))
        return found.chosen(order)

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


def _log_sums(values: Floats, of: NDArray[np.intp], objects: int) -> Floats:
    """Return the log (N,) of each object's sum of exp(values) (n,); -inf where it has none."""
    highest = np.full(objects, -np.inf)
    np.maximum.at(highest, of, values)
    base = np.where(np.isfinite(highest), highest, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(np.bincount(of, weights=np.exp(values - base[of]), minlength=objects)) + base
