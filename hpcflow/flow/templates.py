"""An object seen as a set of bands: attention over template models, by how well each fits whatever bands there are.

A band enters only through sums over bands of its signal times a template's, so the order of bands does not matter, any
of them may be missing, and a filter that was never trained on is known by the fluxes of the templates in it. With the
scale at its best value for each template,

    log L_m = rho_m^2 / 2,    rho_m = sum_b f_b F_mb / sigma_b^2 / sqrt(sum_b (F_mb / sigma_b)^2),

and the object is described by averages of learned values of the templates, weighted by powers of L: the first power
looks closely, the smaller ones take in more templates than errors allow, and tell where between them the object is.
"""

import math

import numpy as np
import torch
from scipy.stats import qmc
from torch import Tensor, nn

from hpcflow.flow.physics import Physics
from hpcflow.model.prior import Prior
from hpcflow.model.scale import Scale

__all__ = ["TEMPLATES", "Templates"]

POWERS = (0.5, 0.05)
TEMPLATES, VALUES = 512, 64
WAVES = 8  # frequencies of each parameter with which values begin
ROWS = 128  # objects at once, so that their weights stay in the processor's cache
FAINTEST = -30.0  # log10 of a template's flux relative to its mean over bands
FACTS = 4  # numbers about the best template


class Templates(nn.Module):
    """Weighted averages of the values of templates, and facts about the best one.

    Args:
        physics: simulator of the templates, which fill the prior of its parameters evenly.
        prior: parameters to infer.
        scale: which of them scales fluxes; the averages are over it too.
        learned: number of columns of features before those of bare photometry.
        passed: number of the last of these columns to pass on.

    Attributes:
        size: number of columns of what it returns.
    """

    flux: Tensor
    level: Tensor

    def __init__(self, physics: Physics, prior: Prior, scale: Scale, learned: int, passed: int) -> None:
        super().__init__()
        unit = qmc.Sobol(len(physics.prior.names), scramble=False).random(TEMPLATES) + 0.5 / TEMPLATES
        flux = np.maximum(np.asarray(physics.simulator(physics.prior.from_unit(unit))), 1e-300)
        log_flux = torch.from_numpy(np.log10(flux))
        level = log_flux.mean(dim=1)
        self.register_buffer("level", level.float(), persistent=False)
        self.register_buffer("flux", 10 ** (log_flux - level[:, None]).clamp(min=FAINTEST).float(), persistent=False)
        self._scaled, self._exponent = bool(scale.parameter), scale.exponent
        sizes = [p for p in prior.parameters if p.name == scale.parameter]
        self._size = (sizes[0].low, sizes[0].high) if sizes else (0.0, 1.0)
        self._columns = slice(learned - passed, learned)
        self.values = nn.ParameterList(nn.Parameter(_first_values(torch.from_numpy(unit).float())) for _ in POWERS)
        self.size = len(POWERS) * VALUES + FACTS + passed

    def forward(self, x: Tensor) -> Tensor:
        """Return averages, facts and passed columns (N, size) of features x (N, F)."""
        bare = x[:, -3 * self.flux.shape[1] :]
        weights, facts = self._weights(bare)
        averages = [of @ values for of, values in zip(weights, self.values, strict=True)]
        return torch.cat([*averages, facts, x[:, self._columns]], dim=1)

    @torch.no_grad()
    def _weights(self, bare: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the weights (N, M) of the templates for each power, and the facts (N, FACTS)."""
        parts = [self._of(rows) for rows in bare.split(ROWS)]
        weights = [torch.cat(own) for own in zip(*(part[0] for part in parts), strict=True)]
        return weights, torch.cat([part[1] for part in parts])

    def _of(self, bare: Tensor) -> tuple[list[Tensor], Tensor]:
        signal, level, observed = bare.chunk(3, dim=1)
        count = observed.sum(dim=1, keepdim=True).clamp(min=1)
        mean = (level * observed).sum(dim=1, keepdim=True) / count
        depth = observed * 10 ** (mean - level)
        across = (depth * signal) @ self.flux.T
        length = depth**2 @ (self.flux**2).T
        fit = across.clamp(min=1e-6) ** 2 / length / 2 if self._scaled else self._unscaled(across, length, mean)
        best, index = fit.max(dim=1, keepdim=True)
        fit -= best
        weights = [torch.softmax(power * fit, dim=1) for power in POWERS]
        size = (across.gather(1, index).clamp(min=1e-6) / length.gather(1, index)).log10() + mean
        low, high = self._size
        size = (size - self.level[index]) / self._exponent if self._scaled else size
        left = (signal**2).sum(dim=1, keepdim=True) - 2 * best
        facts = [2 * (size - low) / (high - low) - 1, (2 * best.clamp(min=0)).log1p(), left.clamp(min=0).log1p(), count]
        return weights, torch.cat([facts[0], facts[1] / 4, facts[2], facts[3] / 5], dim=1)

    def _unscaled(self, across: Tensor, length: Tensor, mean: Tensor) -> Tensor:
        """Return log L (N, M) where no parameter scales fluxes, up to what all templates share."""
        factor = 10 ** (self.level - mean)
        return factor * across - factor**2 * length / 2


def _first_values(unit: Tensor) -> Tensor:
    """Return values (M, VALUES) to begin with: waves of the parameters (M, D) on the unit scale, and noise."""
    waves = [wave(math.pi * k * unit) for k in range(1, WAVES + 1) for wave in (torch.sin, torch.cos)]
    known = torch.cat(waves, dim=1)[:, :VALUES]
    values = 0.1 * torch.randn(len(unit), VALUES)
    values[:, : known.shape[1]] += known
    return values
