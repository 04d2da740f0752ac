import numpy as np
import pytest
import torch

from hpcflow.flow.probit import Probit
from hpcflow.model.prior import Parameter, Prior

torch.set_num_threads(1)

PRIOR = Prior(
    (
        Parameter("log_age", 6, 10.1383),
        Parameter("r_v", 1.5, 6.0, scale="log"),
        Parameter("metallicity", 1e-4, 0.05, scale="log"),
        Parameter("ebv", 0, 1.5),
    )
)


def points(n: int = 500, limit: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    z = np.random.default_rng(1).uniform(-limit, limit, (n, 4))
    return z, PRIOR.from_latent(z)


def test_it_is_the_probit_of_the_prior() -> None:
    z, theta = points()
    found, _ = Probit(PRIOR)(torch.from_numpy(theta))
    np.testing.assert_allclose(found.numpy(), PRIOR.to_latent(theta), atol=3e-2)
    near = np.abs(z) < 2
    np.testing.assert_allclose(found.numpy()[near], z[near], atol=1e-5)


def test_the_inverse_is_that_of_the_prior() -> None:
    z, theta = points()
    found, _ = Probit(PRIOR).inverse(torch.from_numpy(z))
    np.testing.assert_allclose(found.numpy(), theta, rtol=1e-6, atol=1e-7)


def test_both_directions_return_the_same_jacobian() -> None:
    z, theta = points(limit=2.0)
    probit = Probit(PRIOR)
    np.testing.assert_allclose(
        probit(torch.from_numpy(theta))[1], probit.inverse(torch.from_numpy(z))[1], rtol=1e-5, atol=1e-4
    )


def test_the_jacobian_is_that_of_autograd() -> None:
    _, theta = points(40, limit=3.0)
    at = torch.from_numpy(theta).requires_grad_()
    z, log_jacobian = Probit(PRIOR)(at)
    (slope,) = torch.autograd.grad(z.sum(), at)
    torch.testing.assert_close(log_jacobian, slope.log().sum(dim=-1), rtol=1e-6, atol=1e-6)


def test_standard_normal_latents_have_the_density_of_the_prior() -> None:
    _, theta = points(limit=2.5)
    z, log_jacobian = Probit(PRIOR)(torch.from_numpy(theta))
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(dim=-1)
    np.testing.assert_allclose((normal + log_jacobian).numpy(), PRIOR.log_prob(theta), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bounds_and_beyond_are_finite(dtype: torch.dtype) -> None:
    theta = torch.from_numpy(np.stack([PRIOR.low, PRIOR.high, PRIOR.low - 1, PRIOR.high + 1])).to(dtype)
    z, log_jacobian = Probit(PRIOR)(theta)
    assert torch.isfinite(z).all()
    assert torch.isfinite(log_jacobian).all()
    assert (z[0] < -5).all()
    assert (z[1] > 5).all()


def test_it_stores_nothing_in_a_checkpoint() -> None:
    assert Probit(PRIOR).state_dict() == {}
