from itertools import pairwise

import pytest
import torch
from torch import Tensor

from hpcflow.flow.nodes import Nodes
from hpcflow.flow.spline import knots_of, parameters_per_spline

torch.set_num_threads(1)

BINS, CLUSTERS = 4, 3


def maps(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return maps of three clusters that bend with z."""
    slant = torch.arange(1, CLUSTERS + 1, dtype=z.dtype)[:, None] * z
    raw = torch.sin(slant[..., None] * torch.linspace(0, 1, parameters_per_spline(BINS)))
    return slant, -slant.abs(), raw


def test_many_points_and_few_get_the_same_maps() -> None:
    nodes = Nodes(40).double()
    z = torch.randn((CLUSTERS, 500), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    asked: list[int] = []

    def counted(at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        asked.append(at.shape[1])
        return maps(at)

    many = nodes(z, counted)
    few = [torch.cat(parts, dim=1) for parts in zip(*(nodes(part, counted) for part in z.split(5, dim=1)), strict=True)]
    for one, other in zip(many, few, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
    assert asked[0] == 40
    assert set(asked[1:]) == {10}


def test_at_the_nodes_nothing_is_interpolated() -> None:
    nodes = Nodes(40).double()
    z = nodes.places.expand(CLUSTERS, -1)
    shift, log_scale, knots = nodes(z, maps)
    expected = maps(z)
    torch.testing.assert_close(shift, expected[0], rtol=0, atol=1e-3)
    torch.testing.assert_close(log_scale, expected[1], rtol=0, atol=1e-3)
    torch.testing.assert_close(knots, knots_of(expected[2]), rtol=0, atol=1e-3)


def test_between_nodes_it_errs_with_the_square_of_their_distance() -> None:
    z = torch.linspace(-1, 1, 301, dtype=torch.float64).expand(CLUSTERS, -1)
    apart = [(Nodes(count).double()(z, maps)[2] - knots_of(maps(z)[2])).abs().amax().item() for count in (51, 101, 201)]
    assert apart[0] < 0.05
    for coarse, fine in pairwise(apart):
        assert coarse / fine == pytest.approx(4, rel=0.2)
