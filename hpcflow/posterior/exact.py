"""The exact posterior of one cluster, where its likelihood can be written down: the yardstick of every flow.

The plane of the simulator's two parameters is cut into cells until colours change by less than the errors inside
each (`plane`); at each the mass is integrated over between the sharp edges that the range of errors cuts (`mass`).
What is left is a sum over some thousand cells.
"""

from dataclasses import dataclass

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
from hpcflow.posterior.plane import Plane

__all__ = ["Chain", "ExactModel", "ExactPosterior"]

Floats = NDArray[np.floating]

RESOLVED = 1.0  # cells are halved while colours change by more errors than this inside them
BLOCK = 2000  # samples whose masses are drawn at once
LINE = 512  # cells of a line through the plane
CLIMBERS = 2000  # samples whose hills are climbed
NEAREST = 60  # of them, which say how a hill lies
RESTARTS = (1.0, 0.1, -0.3, 0.03, -1.0, 0.1)  # sizes of the simplexes that climb one after the other


@dataclass(frozen=True)
class Chain:
    """The exact density of one point by the chain rule, and exact samples that share its first parameters.

    Args:
        log_p: (D,) of the first 1, 2 .. D parameters in the order of `ExactModel.order`, per declared unit.
        given: for the first 1 .. D - 1 of them, (n, D) samples of the rest with those held.
        log_p_given: log p (n,) of each of those samples, all parameters together.
    """

    log_p: Floats
    given: list[Floats]
    log_p_given: list[Floats]


def _order(likelihood: Likelihood) -> list[str]:
    """Return the parameters in the order of the chain rule: the simulator's two, then log_mass.

    Raises:
        InputError: if the model has others.
    """
    prior, names = likelihood.prior, likelihood.simulator.parameters
    if len(names) != 2 or prior.parameters[likelihood.mass].scale != "linear":
        raise InputError(
            "exact posteriors are computed of log_mass and two parameters of the simulator, not of "
            + ", ".join(prior.names)
        )
    return [*names, "log_mass"]


class ExactModel:
    """Makes the exact posterior of any cluster of a model; the table behind it is made once.

    Args:
        likelihood: tractable, of a simulator with two parameters.
        resolved, nodes: how fine: largest change of colours inside a cell, in errors, and nodes over the mass.

    Attributes:
        order: columns of theta in the order of the chain rule: the simulator's two, then log_mass.

    Raises:
        InputError: if the model has other parameters, or no flux somewhere in the prior.
    """

    def __init__(self, likelihood: Likelihood, resolved: float = RESOLVED, nodes: int = 24) -> None:
        prior = likelihood.prior
        self.order = prior.index(_order(likelihood))
        self.likelihood, self.resolved, self.nodes = likelihood, resolved, nodes
        self.plane = Plane(likelihood.simulator, prior.select(likelihood.simulator.parameters))

    def posterior(self, one: Photometry) -> "ExactPosterior":
        """Return the posterior of a single cluster, whose arrays are (1, B) and (1,)."""
        return ExactPosterior(self, one)

    def log_prob(self, theta: Floats, photometry: Photometry) -> Floats:
        """Return log p(theta | photometry) (N,) of one point theta (N, D) of each of N clusters."""
        ones = (Photometry(*(a[i : i + 1] for a in photometry)) for i in range(len(theta)))
        found = [self.posterior(one).log_prob(point[None])[0] for point, one in zip(theta, ones, strict=True)]
        return np.array(found)


class ExactPosterior:
    """The posterior of one cluster on the cells that hold it.

    Attributes:
        log_evidence: log p(photometry) under the prior and the range of errors; -inf if they cannot explain it.
        unresolved: share of the posterior in cells that the finest table leaves too coarse.
    """

    def __init__(self, model: ExactModel, one: Photometry) -> None:
        self._model, self._one = model, one
        self._mass = MassGivenFlux(model.likelihood, one, model.nodes)
        self._cells = model.plane.cells(self._mass, model.resolved)
        log_share = self._mass.integral(self._cells.log_flux) + np.log(self._cells.size).sum(axis=1)
        self.log_evidence = float(logsumexp(log_share))
        share = np.exp(log_share - self.log_evidence) if np.isfinite(self.log_evidence) else np.zeros(len(log_share))
        self._share = share
        self.unresolved = float(share[~self._cells.resolved].sum())

    def log_prob(self, theta: Floats) -> Floats:
        """Return log p(theta | photometry) (n,) per declared unit for points theta (n, D)."""
        likelihood = self._model.likelihood
        return likelihood(theta[None], self._one)[0] + likelihood.prior.log_prob(theta) - self.log_evidence

    def sample(self, n: int, rng: np.random.Generator) -> Floats:
        """Return `n` independent samples (n, D)."""
        cell = rng.choice(len(self._share), n, p=self._share / self._share.sum())
        return self._lift(self._cells.unit[cell] + (rng.random((n, 2)) - 0.5) * self._cells.size[cell], rng)

    def modes(self, n: int, rng: np.random.Generator) -> Floats:
        """Return up to `n` modes (m, D), highest first: hills of the samples, climbed on the density itself."""
        samples = self.sample(CLIMBERS, rng)
        hills = mean_shift(torch.from_numpy(samples)[None], n).location[0].numpy()
        best = samples[np.argmax(self.log_prob(samples))]
        starts = np.stack([best, *hills[np.isfinite(hills).all(axis=1)]])
        spread = samples.std(axis=0)
        tops = [self._climb(start, _axes(start, samples)) for start in starts]
        tops.sort(key=lambda top: -top[1])
        kept: list[Floats] = []
        for place, _ in tops:
            if all((np.abs(place - other) > spread / 10).any() for other in kept):
                kept.append(place)
        return np.stack(kept[:n])

    def _climb(self, place: Floats, axes: Floats) -> tuple[Floats, float]:
        """Return the maximum (D,) of the density near a place, to a hundredth of a nat, and log p there.

        Spectra change their slope at every age of the table, and errors out of range are cliffs, so that slopes lead
        nowhere: Nelder & Mead's simplex needs none, but may collapse on a kink and is begun anew, along the hill's own
        `axes` (D, D).
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
        """Take the density of one point theta (D,) apart by the chain rule; see `Chain`."""
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
            self._lift(np.column_stack([np.full(n, here[0]), second]), rng),
            self._lift(np.tile(here, (n, 1)), rng),
        ]
        for held, samples in enumerate(given, start=1):
            samples[:, order[:held]] = theta[order[:held]]  # to the last digit
        whole = np.array(log_p) - self.log_evidence
        return Chain(np.append(whole, self.log_prob(theta[None])), given, [self.log_prob(g) for g in given])

    def _integral(self, unit: Floats) -> Floats:
        return self._mass.integral(self._model.plane.log_flux(unit)[:, self._mass.used])

    def _lift(self, unit: Floats, rng: np.random.Generator) -> Floats:
        """Return points (n, D) above places (n, 2) of the plane, their masses drawn."""
        plane = self._model.plane
        blocks = (unit[at : at + BLOCK] for at in range(0, len(unit), BLOCK))  # each row's density takes some kB
        log_mass = np.concatenate([self._mass.draw(plane.log_flux(b)[:, self._mass.used], rng) for b in blocks])
        theta = np.empty((len(unit), 3))
        theta[:, self._model.order] = np.column_stack([plane.prior.from_unit(unit), log_mass])
        return theta


def _axes(place: Floats, samples: Floats) -> Floats:
    """Return the axes (D, D), as rows, of the samples (n, D) nearest to a place: those of the ridge it lies on."""
    distance = (((samples - place) / samples.std(axis=0)) ** 2).sum(axis=1)
    near = samples[np.argsort(distance)[:NEAREST]]
    _, length, axes = np.linalg.svd(near - near.mean(axis=0), full_matrices=False)
    return axes * (length / np.sqrt(NEAREST))[:, None]
