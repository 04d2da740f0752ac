"""A flow of all parameters but the scale's, completed by the exact density of that one given the others."""

import math

import torch
from torch import Tensor

from hpcflow.flow.base import Flow
from hpcflow.flow.ensemble import Ensemble
from hpcflow.flow.exact_scale import ExactScale
from hpcflow.model.prior import Prior

__all__ = ["Completed"]


class Completed(Flow):
    """The density q(others | x) p(scale | others, x), of which the first factor alone is learned.

    Args:
        prior: all parameters.
        others: the flow of the parameters other than the scale's, in the order of the prior.
        scale: density of the scale's parameter.
        bands: number B of bands; the last 3 B columns of x are bare photometry.
    """

    def __init__(self, prior: Prior, others: Flow, scale: ExactScale, bands: int) -> None:
        super().__init__(prior)
        self.others, self.scale, self._bare = others, scale, 3 * bands

    def embed(self, x: Tensor) -> Tensor:
        """Return the contexts (N, C) of `others`, members one after the other, and the bare photometry of x (N, F)."""
        return torch.cat([self.others.embed(x).flatten(1), x[:, -self._bare :]], dim=1)

    def latent_log_prob(self, z: Tensor, context: Tensor) -> Tensor:
        """Return log q (N, n) per unit of z at z (N, n, D), given contexts (N, C)."""
        own, bare = self._parts(context)
        log_q = self.others.latent_log_prob(z[..., self.scale.others], own)
        theta, _ = self.probit.inverse(z)
        return log_q + self.scale.log_prob(theta, bare) + self._stretch(z[..., self.scale.column])

    def latent_transform(self, noise: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Map standard normal noise (N, n, D) to z (N, n, D), and return z and log q (N, n) per unit of z there."""
        own, bare = self._parts(context)
        column = self.scale.column
        found, log_q = self.others.latent_transform(noise[..., self.scale.others], own)
        z = torch.zeros_like(noise)
        z[..., self.scale.others] = found
        theta, _ = self.probit.inverse(z)
        theta[..., column], log_p = self.scale.draw(noise[..., column], theta, bare)
        z[..., column] = self.probit(theta)[0][..., column]
        return z, log_q + log_p + self._stretch(z[..., column])

    def _parts(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return the contexts of `others` (N, ...) and the bare photometry."""
        own, bare = context[:, : -self._bare], context[:, -self._bare :]
        return own.unflatten(1, (len(self.others.members), -1)) if isinstance(self.others, Ensemble) else own, bare

    def _stretch(self, z: Tensor) -> Tensor:
        """Return log|dtheta/dz| (N, n) of the scale's parameter, which is uniform in its prior."""
        wide = self.probit.high[self.scale.column] - self.probit.low[self.scale.column]
        return wide.log() - z**2 / 2 - 0.5 * math.log(2 * math.pi)
