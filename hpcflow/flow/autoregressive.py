"""An autoregressive spline flow: one pass over the parameters, with an affine map and a spline for each in turn.

All capacity that depends on the condition only sits in `embed`, which runs once per cluster, not once per sample. The
work per sample is small: parameter d is located by

    u_d = b(x) + w(x) . t(theta_1 .. theta_{d-1})

on the unit scale of its prior: a learned spectrum t of the earlier parameters is weighted by per-cluster weights w
(mass given age and reddening is just that: an average over bands of the observed flux minus that of a unit mass). A
small network that sees the same spectrum corrects location, width and shape.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hpcflow.flow.base import InvertibleFlow, perceptron, start_at_zero
from hpcflow.flow.nodes import Nodes
from hpcflow.flow.spline import parameters_per_spline, spline, spline_inverse
from hpcflow.model.prior import EDGE, Prior

__all__ = ["AutoregressiveSpline"]


class AutoregressiveSpline(InvertibleFlow):
    """Affine and rational-quadratic maps of each parameter, given the earlier ones and the condition.

    Args:
        prior: bounds of the parameters.
        features: number F of conditioning features.
        order: names of all parameters in the order of the pass; if empty, the prior's order.
        bins: number of bins of each spline.
        hidden, layers: size of the network that runs once per sample and parameter.
        rank: length of the learned spectrum.
        frequencies: number of Fourier frequencies per earlier parameter.
        nodes: number of values of the first parameter between which the maps of the second are interpolated; 0 if they
            are computed for every sample.
        embedding_hidden, embedding_layers: size of the network that runs once per cluster.
    """

    frequency: Tensor

    def __init__(
        self,
        prior: Prior,
        features: int,
        *,
        order: Sequence[str] = (),
        bins: int = 16,
        hidden: int = 96,
        layers: int = 2,
        rank: int = 32,
        frequencies: int = 8,
        nodes: int = 0,
        embedding_hidden: int = 384,
        embedding_layers: int = 3,
    ) -> None:
        super().__init__(prior)
        self.order = prior.index(order or prior.names)
        self.outputs = 2 + parameters_per_spline(bins)
        self.steps = nn.ModuleList(
            _Step(given, self.outputs, hidden, layers, rank, frequencies) for given in range(1, self.dim)
        )
        self.nodes = Nodes(nodes) if nodes and self.dim > 1 else None
        self.register_buffer("frequency", math.pi * torch.arange(1, frequencies + 1), persistent=False)
        self.sizes = [self.outputs] + [hidden + rank + 1] * (self.dim - 1)
        self.embedding = start_at_zero(perceptron(features, sum(self.sizes), embedding_hidden, embedding_layers))

    def embed(self, x: Tensor) -> Tensor:
        """Return everything (N, C) that the pass needs to know of the features x (N, F)."""
        return self.embedding(x)

    def to_noise(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return noise (N, n, D) and log|dnoise/dz| (N, n) for z (N, n, D) and context (N, C)."""
        noise: list[Tensor] = []
        before: list[Tensor] = []
        waves: list[Tensor] = []
        log_slope = torch.zeros_like(z[..., 0])
        for d, share in enumerate(context[:, None].split(self.sizes, dim=-1)):
            here = z[..., self.order[d]]
            shift, log_scale, shape = self._maps(d, before, waves, share)
            value, log_spline = spline((here - shift) * torch.exp(-log_scale), shape, by_knots=self._is_between(d))
            noise.append(value)
            before.append(here)
            log_slope = log_slope + log_spline - log_scale
        return torch.stack(noise, dim=-1), log_slope

    def from_noise(self, noise: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return z (N, n, D) and log|dnoise/dz| (N, n)."""
        found: list[Tensor] = []
        waves: list[Tensor] = []
        log_slope = torch.zeros_like(noise[..., 0])
        for d, share in enumerate(context[:, None].split(self.sizes, dim=-1)):
            shift, log_scale, shape = self._maps(d, found, waves, share)
            value, log_spline = spline_inverse(noise[..., d], shape, by_knots=self._is_between(d))
            found.append(shift + value * torch.exp(log_scale))
            log_slope = log_slope + log_spline - log_scale
        position = [self.order.index(parameter) for parameter in range(self.dim)]
        return torch.stack([found[p] for p in position], dim=-1), log_slope

    def _waves(self, z: Tensor) -> Tensor:
        """Return z (N, n) and its Fourier features (N, n, 1 + 2 F), which later parameters see."""
        phase = torch.special.ndtr(z)[..., None] * self.frequency
        return torch.cat([z[..., None], phase.sin(), phase.cos()], dim=-1)

    def _is_between(self, d: int) -> bool:
        """Return whether the maps of the d-th parameter of the pass are interpolated between nodes."""
        return d == 1 and self.nodes is not None

    def _maps(self, d: int, before: list[Tensor], waves: list[Tensor], share: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return shift and log-scale (N, n) and the spline of the d-th parameter of the pass, given the earlier ones.

        Args:
            d: place of the parameter in the pass.
            before: latent values (N, n) of the earlier ones.
            waves: those of them that were needed so far; others are appended.
            share: (N, 1, ...) what concerns this parameter in the contexts.
        """
        if d == 0:
            return share[..., 0], share[..., 1].clamp(-7, 3), share[..., 2:]
        step = self.steps[d - 1]
        if d == 1 and self.nodes is not None:
            return self.nodes(before[0], lambda z: step(self._waves(z), share))
        waves += [self._waves(z) for z in before[len(waves) :]]
        return step(torch.cat(waves, dim=-1), share)


class _Step(nn.Module):
    """Location, scale and spline of one parameter, from the waves of the earlier ones and the cluster's share."""

    def __init__(self, given: int, outputs: int, hidden: int, layers: int, rank: int, frequencies: int) -> None:
        super().__init__()
        self.hidden, self.rank = hidden, rank
        inputs = given * (1 + 2 * frequencies)
        self.first = nn.Linear(inputs + rank, hidden)
        self.rest = nn.Sequential(nn.SiLU(), start_at_zero(perceptron(hidden, outputs, hidden, layers - 1)))
        self.spectrum = perceptron(inputs, rank, hidden, 2)

    def forward(self, waves: Tensor, share: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        from_cluster, weights, base = share.split([self.hidden, self.rank, 1], dim=-1)
        spectrum = self.spectrum(waves)
        out = self.rest(_shifted(self.first, torch.cat([waves, spectrum], dim=-1), from_cluster))
        located = 0.5 + base[..., 0] + (spectrum * weights).sum(-1)
        centre = torch.special.ndtri(located.clamp(1e3 * EDGE, 1 - 1e3 * EDGE))
        # log dz/du, up to a constant: a given width on the unit scale is wider in z near the bounds
        stretch = centre**2 / 2
        log_scale = (out[..., 1] + stretch).clamp(-7, 3)
        return centre + out[..., 0] * torch.exp(log_scale), log_scale, out[..., 2:]


def _shifted(layer: nn.Linear, x: Tensor, shift: Tensor) -> Tensor:
    """Return layer(x) + shift (N, n, H) for x (N, n, I) and a shift (N, 1, H) per cluster."""
    if len(x) == 1:  # as part of the bias it costs nothing
        return nn.functional.linear(x, layer.weight, layer.bias + shift[0, 0])
    return layer(x) + shift
