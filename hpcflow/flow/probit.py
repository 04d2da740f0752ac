"""The probit of the prior in torch, the scale on which every flow works."""

import math

import torch
from torch import Tensor, nn

from hpcflow.model.prior import EDGE, Prior

__all__ = ["Probit"]


class Probit(nn.Module):
    """Map theta inside the prior's bounds to z = Phi^-1(CDF(theta)) and back; see `Prior.to_latent`."""

    low: Tensor
    high: Tensor
    is_log: Tensor
    bottom: Tensor
    top: Tensor

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        is_log = torch.tensor([p.scale == "log" for p in prior.parameters])
        low, high = torch.tensor(prior.low), torch.tensor(prior.high)
        self.register_buffer("is_log", is_log, persistent=False)
        self.register_buffer("bottom", low.float(), persistent=False)
        self.register_buffer("top", high.float(), persistent=False)
        self.register_buffer("low", torch.where(is_log, low.log(), low).float(), persistent=False)
        self.register_buffer("high", torch.where(is_log, high.log(), high).float(), persistent=False)

    def forward(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Return z (..., D) and log|dz/dtheta| (...) for theta (..., D) in declared units."""
        outer = torch.where(self.is_log, theta.clamp(min=1e-30).log(), theta)
        unit = (outer - self.low) / (self.high - self.low)
        z = torch.special.ndtri(unit.clamp(EDGE, 1 - EDGE))
        return z, self._log_jacobian(z, theta)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return theta (..., D) in declared units and log|dz/dtheta| (...) for z (..., D)."""
        outer = self.low + torch.special.ndtr(z) * (self.high - self.low)
        theta = torch.where(self.is_log, outer.exp(), outer).clamp(self.bottom, self.top)  # against rounding
        return theta, self._log_jacobian(z, theta)

    def _log_jacobian(self, z: Tensor, theta: Tensor) -> Tensor:
        inner = torch.where(self.is_log, theta.clamp(min=1e-30).log(), torch.zeros_like(theta))
        return (z**2 / 2 + 0.5 * math.log(2 * math.pi) - (self.high - self.low).log() - inner).sum(-1)
