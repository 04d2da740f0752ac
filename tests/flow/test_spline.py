import pytest
import torch
from torch import Tensor

from hpcflow.flow.spline import BOUND, parameters_per_spline, spline, spline_inverse

torch.set_num_threads(1)

bins = pytest.mark.parametrize("bins", [2, 5, 16])


def raw(bins: int, n: int, strength: float = 2.0) -> Tensor:
    generator = torch.Generator().manual_seed(bins)
    return strength * torch.randn((n, parameters_per_spline(bins)), generator=generator, dtype=torch.float64)


@bins
@pytest.mark.parametrize("strength", [0.5, 3.0])
def test_the_inverse_inverts(bins: int, strength: float) -> None:
    x = torch.linspace(-BOUND - 1, BOUND + 1, 500, dtype=torch.float64)
    parameters = raw(bins, 500, strength)
    y, log_slope = spline(x, parameters)
    back, again = spline_inverse(y, parameters)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-7)
    torch.testing.assert_close(again, log_slope, rtol=0, atol=1e-5)
    assert not torch.allclose(x, y, atol=0.1)


@bins
def test_it_increases_everywhere_and_fills_its_range(bins: int) -> None:
    x = torch.linspace(-BOUND, BOUND, 20_001, dtype=torch.float64)
    for parameters in raw(bins, 5):
        y, _ = spline(x, parameters.expand(len(x), -1))
        assert (y.diff() > 0).all()
        assert y[0].item() == pytest.approx(-BOUND, abs=1e-9)
        assert y[-1].item() == pytest.approx(BOUND, abs=1e-9)


@bins
def test_the_slope_is_that_of_autograd(bins: int) -> None:
    x = torch.linspace(-BOUND - 1, BOUND + 1, 301, dtype=torch.float64, requires_grad=True)
    y, log_slope = spline(x, raw(bins, 301))
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(log_slope, slope.log(), rtol=0, atol=1e-8)


@bins
def test_the_slope_has_no_jumps_at_the_knots(bins: int) -> None:
    x = torch.linspace(-BOUND - 0.1, BOUND + 0.1, 200_001, dtype=torch.float64)
    _, log_slope = spline(x, raw(bins, 1, 0.3).expand(len(x), -1))
    assert log_slope.diff().abs().max() < 5e-3


@bins
def test_zero_parameters_are_the_identity(bins: int) -> None:
    x = torch.linspace(-BOUND - 1, BOUND + 1, 400, dtype=torch.float64)
    zero = torch.zeros(400, parameters_per_spline(bins), dtype=torch.float64)
    for map_ in (spline, spline_inverse):
        y, log_slope = map_(x, zero)
        torch.testing.assert_close(y, x, rtol=0, atol=2e-3)
        torch.testing.assert_close(log_slope, torch.zeros_like(x), rtol=0, atol=2e-3)


@bins
def test_beyond_its_bounds_it_is_the_identity(bins: int) -> None:
    x = torch.tensor([-1e6, -BOUND - 1e-3, BOUND + 1e-3, 30.0, 1e6], dtype=torch.float64)
    for map_ in (spline, spline_inverse):
        y, log_slope = map_(x, raw(bins, 5))
        assert torch.equal(y, x)
        assert (log_slope == 0).all()


@bins
def test_gradients_are_finite_everywhere(bins: int) -> None:
    x = torch.tensor([-1e3, -BOUND, -BOUND / 2, 0.0, BOUND / 2, BOUND, 1e3], dtype=torch.float32, requires_grad=True)
    for map_ in (spline, spline_inverse):
        parameters = raw(bins, 7, 5.0).float().requires_grad_()
        y, log_slope = map_(x, parameters)
        for gradient in torch.autograd.grad((y + log_slope).sum(), (x, parameters)):
            assert torch.isfinite(gradient).all()


def test_one_spline_serves_many_points() -> None:
    parameters = raw(6, 3)
    x = torch.linspace(-6, 6, 40, dtype=torch.float64)
    many, slope = spline(x.expand(3, 40), parameters[:, None])
    for i in range(3):
        one, one_slope = spline(x, parameters[i].expand(40, -1))
        torch.testing.assert_close(many[i], one)
        torch.testing.assert_close(slope[i], one_slope)
