"""Ensembles: equal mixtures of several flows, which are wider where the members disagree."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hpcflow.flow.base import Flow
from hpcflow.model.prior import Prior

__all__ = ["Ensemble"]


class Ensemble(Flow):
    """The equal mixture q(theta | x) = sum_k q_k(theta | x) / K of K flows (Lakshminarayanan et al. 2017, 1612.01474).

    Args:
        prior: bounds of the parameters, the same as for the members.
        members: the K flows.
    """

    def __init__(self, prior: Prior, members: Sequence[Flow]) -> None:
        super().__init__(prior)
        self.members = nn.ModuleList(members)

    def embed(self, x: Tensor) -> Tensor:
        """Return every member's embedding (N, K, C) of the features x (N, F)."""
        return torch.stack([member.embed(x) for member in self._flows()], dim=1)

    def latent_log_prob(self, z: Tensor, context: Tensor) -> Tensor:
        """Return the mixture's log q (N, n) per unit of z at z (N, n, D), given contexts (N, K, C)."""
        pairs = zip(self._flows(), context.unbind(dim=1), strict=True)
        each = torch.stack([member.latent_log_prob(z, own) for member, own in pairs])
        return torch.logsumexp(each, dim=0) - math.log(len(self.members))

    def latent_transform(self, noise: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return z (N, n, D), each row drawn by one member, and the mixture's log q (N, n) there.

        The members take turns, so that the first few samples are still samples of the mixture.
        """
        members = self._flows()
        z = torch.empty_like(noise)
        for k, member in enumerate(members[: noise.shape[1]]):
            z[:, k :: len(members)] = member.latent_transform(noise[:, k :: len(members)], context[:, k])[0]
        return z, self.latent_log_prob(z, context)

    def _flows(self) -> list[Flow]:
        return list(self.members)  # type: ignore[arg-type]  # a ModuleList forgets the type of its modules
