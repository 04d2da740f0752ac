"""Nuisance parameters: the flow marginalises over them, so they are drawn again where samples are simulated again."""

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.forward import Forward
from hpcflow.model.observe import Photometry
from hpcflow.model.prior import Prior
from hpcflow.posterior.likelihood import FluxLikelihood

__all__ = ["CHOICES", "Nuisance"]

Floats = NDArray[np.floating]

CHOICES = 16  # draws from the prior that compete for each sample, unless more are asked for


class Nuisance:
    """Values of nuisance parameters that go with posterior samples of the others.

    For each sample some draws from the prior compete, and one is chosen with a probability in proportion to its
    likelihood: p(nuisance | theta, photometry) by sampling and importance resampling (Rubin 1988).

    Args:
        prior: prior of the nuisance parameters.
        forward: fluxes from theta's columns followed by these parameters.
        likelihood: likelihood of fluxes.
        choices: how many draws compete for each sample.
    """

    def __init__(self, prior: Prior, forward: Forward, likelihood: FluxLikelihood, choices: int = CHOICES) -> None:
        self._prior, self._forward, self._likelihood, self._choices = prior, forward, likelihood, choices

    def fluxes(self, theta: Floats, given: Floats, one: Photometry, rng: np.random.Generator) -> Floats:
        """Return noiseless fluxes (1 + n, B) of a best point and n samples, theta (1 + n, D).

        The best point has the most likely of its draws.

        Args:
            theta: the best point, and the samples.
            given: (1 + n, K) what is given.
            one: photometry of the object, (1, B).
            rng: random numbers of the object.
        """
        n, choices = len(theta), self._choices
        points, known = (np.repeat(rows, choices, axis=0) for rows in (theta, given))
        points = np.concatenate([points, self._prior.sample(len(points), rng)], axis=1)
        flux = self._forward(points, known)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_likelihood = self._likelihood.of_fluxes(np.log(flux)[None], one)[0].reshape(n, choices)
        gumbel = rng.gumbel(size=log_likelihood.shape)
        gumbel[0] = 0.0
        chosen = np.argmax(log_likelihood + gumbel, axis=1)
        return np.asarray(flux.reshape(n, choices, -1)[np.arange(n), chosen])
