"""A flow that sees features through another module, and the simplest such module."""

from torch import Tensor, nn

from hpcflow.flow.base import Flow

__all__ = ["Seeing", "Slots"]


class Slots(nn.Module):
    """The first columns of features: a slot for each band.

    Args:
        size: number of columns.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Return the first columns (N, size) of features x (N, F)."""
        return x[:, : self.size]


class Seeing(Flow):
    """A flow of what a module makes of the features.

    Args:
        eye: module from features (N, F) to what the flow is conditioned on.
        flow: the flow.
    """

    def __init__(self, eye: nn.Module, flow: Flow) -> None:
        super().__init__(flow.prior)
        self.eye, self.flow = eye, flow

    def embed(self, x: Tensor) -> Tensor:
        """Return contexts (N, C) of features x (N, F)."""
        return self.flow.embed(self.eye(x))

    def latent_log_prob(self, z: Tensor, context: Tensor) -> Tensor:
        """Return log q (N, n) per unit of z at z (N, n, D), given contexts (N, C)."""
        return self.flow.latent_log_prob(z, context)

    def latent_transform(self, noise: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Map standard normal noise (N, n, D) to z (N, n, D), and return z and log q (N, n) per unit of z there."""
        return self.flow.latent_transform(noise, context)
