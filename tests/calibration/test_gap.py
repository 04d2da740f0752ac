"""Against a linear Gaussian model, whose posterior and marginals are known."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from hpcflow.calibration.gap import gaps
from hpcflow.posterior.exact import Chain

torch.set_num_threads(1)

COVARIANCE = torch.tensor([[1.0, 0.6, 0.2], [0.6, 1.0, -0.3], [0.2, -0.3, 1.0]], dtype=torch.float64)
N, HELD = 400, 2000


class Gaussian:
    """A posterior of known shape around x, `wide` times too wide in every direction and `shift` off in the first."""

    def __init__(self, wide: float = 1.0, shift: float = 0.0) -> None:
        self._law = MultivariateNormal(torch.tensor([shift, 0.0, 0.0], dtype=torch.float64), wide**2 * COVARIANCE)

    def log_prob(self, theta: Tensor, x: Tensor) -> Tensor:
        return self._law.log_prob(theta.double() - x[:, None].double())

    def __call__(self, theta: Tensor, x: Tensor) -> Tensor:
        return self.log_prob(theta[:, None], x)[:, 0]


def conditional(held: Tensor, rng: np.random.Generator) -> np.ndarray:
    """Return samples (HELD, 3) of the exact posterior whose first parameters are `held`."""
    k = len(held)
    a, b = COVARIANCE[k:, :k], torch.linalg.inv(COVARIANCE[:k, :k])
    law = MultivariateNormal(a @ b @ held, COVARIANCE[k:, k:] - a @ b @ a.T)
    root = law.scale_tril.numpy()
    rest = law.loc.numpy() + rng.standard_normal((HELD, 3 - k)) @ root.T
    return np.column_stack([np.tile(held.numpy(), (HELD, 1)), rest])


def experiment() -> tuple[Tensor, Tensor, list[Chain]]:
    rng = np.random.default_rng(1)
    x = torch.from_numpy(rng.standard_normal((N, 3)))
    offset = MultivariateNormal(torch.zeros(3, dtype=torch.float64), COVARIANCE)
    torch.manual_seed(1)
    drawn = offset.sample((N,))
    chains = []
    for one, centre in zip(drawn, x, strict=True):
        log_p = [
            float(MultivariateNormal(torch.zeros(k).double(), COVARIANCE[:k, :k]).log_prob(one[:k])) for k in (1, 2, 3)
        ]
        given = [conditional(one[:k], rng) for k in (1, 2)]
        log_p_given = [offset.log_prob(torch.from_numpy(g)).numpy() for g in given]
        chains.append(Chain(np.array(log_p), [g + centre.numpy() for g in given], log_p_given))
    return x, drawn + x, chains


X, THETA, CHAINS = experiment()


def test_the_exact_posterior_has_no_gap() -> None:
    found = gaps(Gaussian(), X, THETA, CHAINS)
    assert found.shape == (N, 3)
    assert np.abs(found).max() < 1e-4  # samples are rounded to float32


def test_the_parts_add_up_to_the_whole() -> None:
    flow = Gaussian(wide=1.3, shift=0.2)
    found = gaps(flow, X, THETA, CHAINS)
    whole = np.array([c.log_p[-1] for c in CHAINS]) - flow(THETA, X).numpy()
    np.testing.assert_allclose(found.sum(axis=1), whole, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("wide", [0.8, 1.3])
def test_a_width_that_is_wrong_costs_each_parameter_the_same(wide: float) -> None:
    found = gaps(Gaussian(wide), X, THETA, CHAINS)
    wanted = np.log(wide) + (1 / wide**2 - 1) / 2  # Kullback-Leibler divergence of one dimension
    error = found.std(axis=0) / np.sqrt(N)
    assert wanted > 0.02
    assert (np.abs(found.mean(axis=0) - wanted) < 4 * error + 0.005).all()


def test_a_shift_is_seen_where_it_is() -> None:
    # all three have the first parameter's marginal off; given it, the others are pulled along by their correlation
    found = gaps(Gaussian(shift=0.5), X, THETA, CHAINS).mean(axis=0)
    first = 0.5**2 / 2
    assert found[0] == pytest.approx(first, abs=0.1)
    whole = 0.5**2 / 2 * float(torch.linalg.inv(COVARIANCE)[0, 0])
    assert found.sum() == pytest.approx(whole, abs=0.12)
