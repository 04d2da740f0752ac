"""Maps of a parameter that depend on one earlier parameter: known at nodes of that one, and linear between them.

The network then runs once per node, not once per sample. This is the flow's own definition: its density stays exact.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hpcflow.flow.spline import knots_of
from hpcflow.model.prior import EDGE

__all__ = ["Nodes"]

Maps = tuple[Tensor, Tensor, Tensor]


class Nodes(nn.Module):
    """Nodes at equal steps of the earlier parameter's prior.

    Args:
        count: number M of nodes.
    """

    places: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count
        unit = torch.linspace(0, 1, count, dtype=torch.float64).clamp(EDGE, 1 - EDGE)
        self.register_buffer("places", torch.special.ndtri(unit).float(), persistent=False)

    def forward(self, z: Tensor, maps: Callable[[Tensor], Maps]) -> Maps:
        """Return shift and log-scale (N, n) and knots (N, n, 3, K + 1) of a parameter.

        Args:
            z: (N, n) latent values of the earlier parameter.
            maps: returns shift, log-scale and raw parameters of the spline at latent values (N, m) of it.
        """
        place = torch.special.ndtr(z) * (self.count - 1)
        left = place.detach().long().clamp(0, self.count - 2)
        share = (place - left)[..., None]
        ends = torch.stack([left, left + 1], dim=-1)
        if ends[0].numel() <= self.count:
            rows = _rows(maps(self.places[ends].flatten(1))).unflatten(1, ends.shape[1:])
            low, high = rows.unbind(dim=2)
        else:
            rows = _rows(maps(self.places.expand(len(z), -1)))
            first = torch.arange(len(rows), device=z.device)[:, None] * self.count
            low, high = (rows.flatten(0, 1)[(first + end).flatten()].unflatten(0, z.shape) for end in (left, left + 1))
        row = torch.lerp(low, high, share)
        return row[..., 0], row[..., 1], row[..., 2:].unflatten(-1, (3, -1))


def _rows(maps: Maps) -> Tensor:
    """Return what may be interpolated in one row (..., 2 + 3 (K + 1))."""
    shift, log_scale, raw = maps
    return torch.cat([shift[..., None], log_scale[..., None], knots_of(raw).flatten(-2)], dim=-1)
