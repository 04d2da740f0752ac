"""The base of all flows: a conditional density q(theta | x) that can be evaluated and sampled."""

import math
from abc import ABC, abstractmethod
from itertools import pairwise

import torch
from torch import Tensor, nn

from hpcflow.flow.probit import Probit
from hpcflow.model.prior import Prior

__all__ = ["Flow", "InvertibleFlow", "perceptron", "start_at_zero"]


class Flow(nn.Module, ABC):
    """A conditional density in declared units, built on the probit of the prior.

    Subclasses define the density of the latent z and how to draw from it; this class does everything in physical units.
    """

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior, self.probit = prior, Probit(prior)
        self.dim = len(prior.parameters)

    @abstractmethod
    def embed(self, x: Tensor) -> Tensor:
        """Return contexts (N, ..., C) of features x (N, F): the part of the work that is done once per cluster."""

    @abstractmethod
    def latent_log_prob(self, z: Tensor, context: Tensor) -> Tensor:
        """Return log q (N, n) per unit of z at n points z (N, n, D) for each of N clusters with given contexts."""

    @abstractmethod
    def latent_transform(self, noise: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Map standard normal noise (N, n, D) to z (N, n, D), and return z and log q (N, n) per unit of z there."""

    def forward(self, theta: Tensor, x: Tensor) -> Tensor:
        """Return log q(theta | x) (N,) per declared unit, for theta (N, D) and features x (N, F).

        This is `forward` because DistributedDataParallel synchronises nothing else.
        """
        return self.log_prob(theta[:, None], x)[:, 0]

    def log_prob(self, theta: Tensor, x: Tensor) -> Tensor:
        """Return log q (N, n) of n points theta (N, n, D) for each of N clusters x (N, F)."""
        return self.log_prob_given(theta, self.embed(x))

    def transform(self, noise: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Turn standard normal noise into posterior samples.

        Args:
            noise: (N, n, D) standard normal.
            x: (N, F) features of N clusters.

        Returns:
            theta (N, n, D) in declared units and log q (N, n) of each sample.
        """
        return self.transform_given(noise, self.embed(x))

    def log_prob_given(self, theta: Tensor, context: Tensor) -> Tensor:
        """Return the same as `log_prob` for clusters that are already embedded."""
        z, log_dz = self.probit(theta)
        return self.latent_log_prob(z, context) + log_dz

    def transform_given(self, noise: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return the same as `transform` for clusters that are already embedded."""
        z, log_q = self.latent_transform(noise, context)
        theta, log_dz = self.probit.inverse(z)
        return theta, log_q + log_dz

    def sample(self, x: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Return `n` posterior samples (N, n, D) for features x (N, F)."""
        noise = torch.randn((len(x), n, self.dim), generator=generator, device=x.device, dtype=x.dtype)
        return self.transform(noise, x)[0]


class InvertibleFlow(Flow):
    """A normalizing flow: one invertible map between the latent z and standard normal noise.

    Families define how to embed the condition, and how to map z to noise and back given the embedding.
    """

    @abstractmethod
    def to_noise(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return noise (N, n, D) and log|dnoise/dz| (N, n) for z (N, n, D) and context (N, C)."""

    @abstractmethod
    def from_noise(self, noise: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return z (N, n, D) and log|dnoise/dz| (N, n) for noise (N, n, D) and context (N, C)."""

    def latent_log_prob(self, z: Tensor, context: Tensor) -> Tensor:
        """Return log q (N, n) per unit of z at z (N, n, D), given contexts (N, C)."""
        noise, log_dnoise = self.to_noise(z, context)
        return standard_normal_log_prob(noise) + log_dnoise

    def latent_transform(self, noise: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Map standard normal noise (N, n, D) to z (N, n, D), and return z and log q (N, n) per unit of z there."""
        z, log_dnoise = self.from_noise(noise, context)
        return z, standard_normal_log_prob(noise) + log_dnoise


def standard_normal_log_prob(noise: Tensor) -> Tensor:
    """Return the log-density (...) of a standard normal at noise (..., D)."""
    return -(noise**2).sum(-1) / 2 - 0.5 * noise.shape[-1] * math.log(2 * math.pi)


def start_at_zero(network: nn.Sequential) -> nn.Sequential:
    """Set the last layer of a perceptron to zero and return it, so that an untrained flow is the prior."""
    for parameter in network[-1].parameters():
        nn.init.zeros_(parameter)
    return network


class Perceptron(nn.Sequential):
    """A stack of layers that returns its input's precision, whatever precision autocast computes in."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the output (..., O) for x (..., I) in the precision of x: later maps and densities stay float32."""
        return super().forward(x).to(x.dtype)


def perceptron(inputs: int, outputs: int, hidden: int, layers: int) -> nn.Sequential:
    """Return a fully connected network with `layers` hidden layers of `hidden` units."""
    widths = [inputs] + [hidden] * layers
    modules: list[nn.Module] = []
    for wide, narrow in pairwise(widths):
        modules += [nn.Linear(wide, narrow), nn.SiLU()]
    return Perceptron(*modules, nn.Linear(widths[-1], outputs))
