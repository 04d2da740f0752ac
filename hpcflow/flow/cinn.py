"""The conditional invertible network of the reference run, on FrEIA (the only file that imports it).

Affine coupling blocks, each with one subnet for scale and shift, alternate with fixed random permutations: Ardizzone et
al. 2019 (arXiv:1907.02392); Walter et al. 2026, eqs. 5-7.
"""

from functools import partial

import numpy as np
from FrEIA.framework import SequenceINN
from FrEIA.modules import GLOWCouplingBlock, PermuteRandom
from torch import Tensor, nn

from hpcflow.flow.base import InvertibleFlow, perceptron, start_at_zero
from hpcflow.model.prior import Prior

__all__ = ["ConditionalInvertibleNetwork"]


class ConditionalInvertibleNetwork(InvertibleFlow):
    """FrEIA coupling blocks, conditioned on x itself or on an embedding of it.

    Args:
        prior: bounds of the parameters.
        features: number F of conditioning features.
        blocks: number of coupling blocks, each of which changes every parameter.
        hidden: width of the subnets.
        layers: number of hidden layers of a subnet.
        embedding: size of the embedding; 0 conditions the subnets on x itself, as the paper does.
        embedding_hidden: width of the embedding network.
        embedding_layers: number of its hidden layers.
        clamp: bound on the log-scale of one coupling.
        seed: seed of the permutations.
    """

    def __init__(
        self,
        prior: Prior,
        features: int,
        *,
        blocks: int = 8,
        hidden: int = 128,
        layers: int = 2,
        embedding: int = 64,
        embedding_hidden: int = 256,
        embedding_layers: int = 2,
        clamp: float = 2.0,
        seed: int = 0,
    ) -> None:
        super().__init__(prior)
        self.embedding: nn.Module = nn.Identity()
        if embedding:
            self.embedding = nn.Sequential(
                perceptron(features, embedding, embedding_hidden, embedding_layers), nn.SiLU()
            )
        subnet = partial(_subnet, hidden=hidden, layers=layers)
        context = embedding or features
        self.blocks = SequenceINN(self.dim)
        state = np.random.get_state()  # FrEIA seeds numpy's global generator
        for block in range(blocks):
            self.blocks.append(GLOWCouplingBlock, cond=0, cond_shape=(context,), subnet_constructor=subnet, clamp=clamp)
            self.blocks.append(PermuteRandom, seed=seed + block)
        np.random.set_state(state)
        _fix_permutations(self.blocks)

    def embed(self, x: Tensor) -> Tensor:
        """Return the embedding (N, C) of the features x (N, F)."""
        return self.embedding(x)

    def to_noise(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return noise (N, n, D) and log|dnoise/dz| (N, n)."""
        return self._run(z, context, rev=False)

    def from_noise(self, noise: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return z (N, n, D) and log|dnoise/dz| (N, n)."""
        z, log_dz = self._run(noise, context, rev=True)
        return z, -log_dz

    def _run(self, points: Tensor, context: Tensor, rev: bool) -> tuple[Tensor, Tensor]:
        clusters, n, dim = points.shape
        rows = context.repeat_interleave(n, dim=0)  # FrEIA takes one condition per row
        out, log_jacobian = self.blocks(points.reshape(-1, dim), c=[rows], rev=rev)
        return out.reshape(clusters, n, dim), log_jacobian.reshape(clusters, n)


def _fix_permutations(blocks: nn.Module) -> None:
    """Turn integer parameters into buffers, because code that averages or counts weights must not touch them."""
    for module in blocks.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if not parameter.is_floating_point():
                delattr(module, name)
                module.register_buffer(name, parameter.detach())


def _subnet(inputs: int, outputs: int, hidden: int, layers: int) -> nn.Module:
    return start_at_zero(perceptron(inputs, outputs, hidden, layers))
