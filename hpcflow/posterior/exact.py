"""The exact posterior of one cluster on an adaptive grid, against which flows are tested.

The plane of the simulator's two parameters is divided into cells until the colours inside each change by less than
the errors (`plane`). In each cell the mass is integrated out between the sharp edges set by the range of errors
(`mass`). The evidence is then a sum over some thousand cells.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

from hpcflow.base.errors import InputError
from hpcflow.model.observe import Photometry
from hpcflow.posterior.likelihood import Likelihood
from hpcflow.posterior.mass import MassGivenFlux
from hpcflow.posterior.modes import mean_shift
from hpcflow.posterior.plane import Cells, Plane

__all__ = ["Chain", "ExactModel", "ExactPosterior"]

Floats = NDArray[np.floating]

RESOLVED = 1.0  # cells are halved while colours inside them change by more than this many errors
LINE = 512  # cells of a line through the plane
CLIMBERS = 2000  # samples among which modes are sought
NEAREST = 60  # samples around a mode that give its orientation
RESTARTS = (1.0, 0.1, -0.3, 0.03, -1.0, 0.1)  # sizes of the successive simplexes


@dataclass(frozen=True)
class Chain:
    """The exact density at one point by the chain rule, and exact samples that share its first parameters.

    Args:
        log_p: (D,) log-density of the first 1, 2 .. D parameters in the order of `ExactModel.order`, per declared unit.
        given: for each of the first 1 .. D - 1 parameters, (n, D) samples with these parameters fixed.
        log_p_given: joint log p (n,) of each of those samples.
    """

    log_p: Floats
    given: list[Floats]
    log_p_given: list[Floats]


class ExactModel:
    """The exact posteriors of a model's clusters, all computed from one table of fluxes.

    Args:
        likelihood: likelihood of a simulator with two parameters.
        resolved: largest change of colours inside a cell, in units of the errors.
        nodes: number of quadrature nodes over the mass.

    Attributes:
        order: columns of theta in the order of the chain rule: the simulator's two, then the scale's.

    Raises:
        InputError: if the model has other parameters, or no flux in part of the prior.
    """

    def __init__(self, likelihood: Likelihood, resolved: float = RESOLVED, nodes: int = 24) -> None:
        prior = likelihood.prior
        self.order = prior.index(self.order_of(likelihood))
        self.likelihood, self.resolved, self.nodes = likelihood, resolved, nodes
        self.plane = Plane(likelihood.simulator, prior.select(likelihood.simulator.parameters))

    @staticmethod
    def order_of(likelihood: Likelihood) -> list[str]:
        """Return the parameters in the order of the chain rule: the simulator's two, then the scale's.

        Raises:
            InputError: if the model has other parameters.
        """
        prior, names = likelihood.prior, likelihood.simulator.parameters
        if prior.law is not None:
            raise InputError("exact posteriors need independent parameters, but model.prior ties them; train a flow")
        scale, size = likelihood.forward.scale, likelihood.forward.size
        if len(names) != 2 or size is None or scale.simulated or prior.parameters[size].scale != "linear":
            raise InputError(
                "exact posteriors need two parameters of the simulator and one that scales its fluxes, not "
                + ", ".join(prior.names)
            )
        return [*names, scale.parameter]

    def posterior(self, one: Photometry) -> "ExactPosterior":
        """Return the posterior of a single object, whose arrays are (1, B)."""
        return self.posteriors(one)[0]

    def posteriors(self, photometry: Photometry) -> list["ExactPosterior"]:
        """Return the posteriors of some objects, which are computed together; none depends on the others."""
        count = len(photometry.flux)
        mass = MassGivenFlux(self.likelihood, photometry, self.nodes)
        cells = self.plane.cells(mass, count, self.resolved)
        log_share = mass.integral(cells.log_flux, cells.of) + np.log(cells.size).sum(axis=1)
        ends = np.searchsorted(cells.of, np.arange(count + 1))
        found = []
        for k, own in enumerate(slice(*pair) for pair in pairwise(ends)):
            one = Photometry(*(a[k : k + 1] for a in photometry))
            found.append(ExactPosterior(self, one, mass, k, cells.chosen(own), log_share[own]))
        return found

    def log_prob(self, theta: Floats, photometry: Photometry) -> Floats:
        """Return log p(theta | photometry) (N,) at one point theta (N, D) for each of N clusters."""
        ones = (Photometry(*(a[i : i + 1] for a in photometry)) for i in range(len(theta)))
        found = [self.posterior(one).log_prob(point[None])[0] for point, one in zip(theta, ones, strict=True)]
        return np.array(found)


class ExactPosterior:
    """The posterior of one cluster, on the cells that contain it.

    Attributes:
        log_evidence: log p(photometry) given the prior and the range of errors; -inf if they cannot explain it.
        unresolved: fraction of the posterior in cells that are too coarse even at the finest level.
    """

    def __init__(
        self, model: ExactModel, one: Photometry, mass: MassGivenFlux, k: int, cells: Cells, log_share: Floats
    ) -> None:
        self._model, self._one, self._mass, self._k, self._cells = model, one, mass, k, cells
        self.log_evidence = float(logsumexp(log_share)) if len(log_share) else -np.inf
        share = np.exp(log_share - self.log_evidence) if np.isfinite(self.log_evidence) else np.zeros(len(log_share))
        self._share = share
        self.unresolved = float(share[~cells.resolved].sum())

    def log_prob(self, theta: Floats) -> Floats:
        """Return log p(theta | photometry) (n,) per declared unit at points theta (n, D)."""
        likelihood = self._model.likelihood
        return likelihood(theta[None], self._one)[0] + likelihood.prior.log_prob(theta) - self.log_evidence

    def sample(self, n: int, rng: np.random.Generator) -> Floats:
        """Return `n` independent samples (n, D)."""
        theta, log_q = self.draw(rng.random((n, 3)))
        possible = np.isfinite(log_q)  # the centre of a cell may be, where another place in it is not
        if not possible.all():
            theta[~possible] = rng.choice(theta[possible], int((~possible).sum()))
        return theta

    def draw(self, uniform: Floats) -> tuple[Floats, Floats]:
        """Turn uniform numbers (n, 3) into samples.

        Returns:
            theta (n, D), and the log-density (n,) per declared unit that they were drawn from: the posterior's, but for
            its changes inside a cell and a step of the mass.
        """
        cumulated = np.cumsum(self._share)
        wanted = uniform[:, 0] * cumulated[-1]
        cell = np.minimum(np.searchsorted(cumulated, wanted, side="right"), len(cumulated) - 1)
        within = np.clip(1 - (cumulated[cell] - wanted) / self._share[cell], 0, 1)  # as good a uniform number as any
        size = self._cells.size[cell]
        unit = self._cells.unit[cell] + (np.column_stack([within, uniform[:, 1]]) - 0.5) * size
        theta, log_mass_density = self._lift(unit, uniform[:, 2])
        in_plane = np.log(self._share[cell] / cumulated[-1]) - np.log(size).sum(axis=1)
        return theta, in_plane + self._model.plane.prior.log_prob(theta[:, self._model.order[:2]]) + log_mass_density

    def modes(self, n: int, rng: np.random.Generator) -> Floats:
        """Return up to `n` modes (m, D), highest first: modes of the samples, refined on the density itself."""
        samples = self.sample(CLIMBERS, rng)
        peaks = mean_shift(torch.from_numpy(samples)[None], n).location[0].numpy()
        best = samples[np.argmax(self.log_prob(samples))]
        starts = np.stack([best, *peaks[np.isfinite(peaks).all(axis=1)]])
        spread = samples.std(axis=0)
        tops = [self._climb(start, _axes(start, samples)) for start in starts]
        tops.sort(key=lambda top: -top[1])
        kept: list[Floats] = []
        for place, _ in tops:
            if all((np.abs(place - other) > spread / 10).any() for other in kept):
                kept.append(place)
        return np.stack(kept[:n])

    def _climb(self, place: Floats, axes: Floats) -> tuple[Floats, float]:
        """Return the maximum (D,) of the density near a point, to a hundredth of a nat, and log p there.

        Gradients are useless because spectra have kinks at every age of the table and the density drops to zero
        where errors leave their range. Nelder & Mead's simplex needs none, but may collapse on a kink, so it is
        restarted along the `axes` (D, D) of the mode.
        """
        prior = self._model.likelihood.prior

        def fall(theta: Floats) -> float:
            return -float(self.log_prob(theta[None])[0])

        height = -fall(place)
        for size in RESTARTS:
            simplex = np.clip(np.vstack([place, place + size * axes]), prior.low, prior.high)
            options = {"initial_simplex": simplex, "xatol": 1e-6, "fatol": 1e-7}
            bounds = list(zip(prior.low, prior.high, strict=True))
            found = minimize(fall, place, method="Nelder-Mead", bounds=bounds, options=options)
            if -found.fun > height:
                place, height = found.x, -float(found.fun)
        return place, height

    def chain(self, theta: Floats, n: int, rng: np.random.Generator) -> Chain:
        """Return the density at one point theta (D,), factorised by the chain rule; see `Chain`."""
        prior, order = self._model.likelihood.prior, self._model.order
        here = self._model.plane.prior.to_unit(theta[order[:2]])
        line = np.column_stack([np.full(LINE, here[0]), (np.arange(LINE) + 0.5) / LINE])
        along = self._integral(line) - np.log(LINE)
        first, both = logsumexp(along), self._integral(here[None])[0]
        log_p = [
            value + prior.select([prior.names[k] for k in order[:held]]).log_prob(theta[order[:held]])
            for held, value in ((1, first), (2, both))
        ]
        second = (rng.choice(LINE, n, p=np.exp(along - first)) + rng.random(n)) / LINE
        given = [
            self._lift(np.column_stack([np.full(n, here[0]), second]), rng.random(n))[0],
            self._lift(np.tile(here, (n, 1)), rng.random(n))[0],
        ]
        for held, samples in enumerate(given, start=1):
            samples[:, order[:held]] = theta[order[:held]]  # exact to the last digit
        whole = np.array(log_p) - self.log_evidence
        return Chain(np.append(whole, self.log_prob(theta[None])), given, [self.log_prob(g) for g in given])

    def _integral(self, unit: Floats) -> Floats:
        return self._mass.integral(self._model.plane.log_flux(unit), self._of(unit))

    def _lift(self, unit: Floats, uniform: Floats) -> tuple[Floats, Floats]:
        """Return points (n, D), places (n, 2) in the plane with masses drawn for them, and the masses' log-density."""
        plane = self._model.plane
        log_mass, log_density = self._mass.draw(plane.log_flux(unit), self._of(unit), uniform)
        theta = np.empty((len(unit), 3))
        theta[:, self._model.order] = np.column_stack([plane.prior.from_unit(unit), log_mass])
        return theta, log_density

    def _of(self, unit: Floats) -> NDArray[np.intp]:
        return np.full(len(unit), self._k)


def _axes(place: Floats, samples: Floats) -> Floats:
    """Return, as rows, the axes (D, D) of the ridge at a point, from the samples (n, D) nearest to it."""
    distance = (((samples - place) / samples.std(axis=0)) ** 2).sum(axis=1)
    near = samples[np.argsort(distance)[:NEAREST]]
    _, length, axes = np.linalg.svd(near - near.mean(axis=0), full_matrices=False)
    return axes * (length / np.sqrt(NEAREST))[:, None]
