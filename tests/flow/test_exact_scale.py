"""The density of the scale's parameter given all others."""

import numpy as np
import pytest
import torch

from hpcflow.base.errors import InputError
from hpcflow.flow.exact_scale import ExactScale
from hpcflow.flow.features import bare
from hpcflow.model.observe import Observer, Photometry
from hpcflow.model.prior import Parameter, Prior
from hpcflow.posterior.likelihood import Likelihood
from hpcflow.sources.cluster.parameters import SCALE
from toy import Toy

PRIOR = Prior((Parameter("log_age", 6, 10), Parameter("log_mass", 2, 8), Parameter("ebv", 0, 1.5)))
OBSERVER = Observer(SCALE, "normal", (0.03, 0.5), undetected=0.1)
MASSES = np.linspace(2, 8, 60_001)


# log_mass, true relative errors, and by how many of them the observed fluxes are off
CASES = {
    "bright": (5.0, [0.05, 0.08, 0.06], [0.5, -1.0, 0.3]),
    "faint": (4.0, [0.9, 0.6, 0.4], [-0.5, 1.0, 0.2]),
    "undetected": (3.0, [3.0, 2.0, 2.0], [-1.0, 0.2, -0.5]),
    "at the upper edge": (7.98, [0.05, 0.08, 0.06], [0.5, 1.0, 0.3]),
    "at the lower edge": (2.1, [0.5, 0.3, 0.4], [0.5, -1.0, 0.3]),
}
POINT = np.array([8.0, np.nan, 0.3])


@pytest.fixture(scope="module")
def exact() -> ExactScale:
    return ExactScale(Toy("UVI"), PRIOR, SCALE, OBSERVER.errors)


def posterior(log_mass: float, error: list[float], pull: list[float]) -> tuple[np.ndarray, torch.Tensor]:
    """Return the normalised density over MASSES by the likelihood itself, and the bare photometry."""
    given = np.array([[10.0]])
    true = Toy("UVI")(POINT[None, [0, 2]]) * SCALE.factor(log_mass, given)[:, None]
    sigma = true * error
    one = Photometry(true + sigma * pull, sigma, np.ones((1, 3), bool), given)
    theta = np.tile(POINT, (len(MASSES), 1))
    theta[:, 1] = MASSES
    log_p = Likelihood(Toy("UVI"), PRIOR, OBSERVER)(theta[None], one)[0]
    p = np.exp(log_p - log_p.max())
    tensors = Photometry(*(torch.as_tensor(a) for a in one))
    return p / np.trapezoid(p, MASSES), bare(tensors, SCALE.given).float()


@pytest.mark.parametrize("name", CASES)
def test_it_is_the_likelihood_with_the_masses_prior(exact: ExactScale, name: str) -> None:
    p, known = posterior(*CASES[name])
    theta = torch.from_numpy(np.tile(POINT, (len(MASSES), 1)))
    theta[:, 1] = torch.from_numpy(MASSES)
    log_q = exact.log_prob(theta[None], known)[0].numpy()
    inside = p > 1e-4 * p.max()
    divergence = np.trapezoid(np.where(inside, p * (np.log(np.maximum(p, 1e-30)) - log_q), 0), MASSES)
    assert abs(divergence) < 2e-3
    assert np.trapezoid(np.exp(log_q)[inside], MASSES[inside]) == pytest.approx(1, abs=5e-3)


@pytest.mark.parametrize("name", CASES)
def test_draws_have_the_density_they_state(exact: ExactScale, name: str) -> None:
    p, known = posterior(*CASES[name])
    noise = torch.special.ndtri((torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000)[None]
    theta = torch.from_numpy(np.tile(POINT, (20_000, 1)))[None]
    size, log_q = exact.draw(noise, theta, known)
    theta[..., 1] = size
    torch.testing.assert_close(exact.log_prob(theta, known), log_q, atol=2e-3, rtol=1e-4)
    reach = np.concatenate([[0], np.cumsum((p[1:] + p[:-1]) / 2 * np.diff(MASSES))])
    quantiles = np.interp([0.05, 0.5, 0.95], reach, MASSES)
    np.testing.assert_allclose(np.quantile(size.numpy(), [0.05, 0.5, 0.95]), quantiles, atol=2e-3)


def test_all_others_must_be_the_simulators() -> None:
    with pytest.raises(InputError, match="set it to learned"):
        ExactScale(Toy("UVI"), PRIOR.select(("log_age", "log_mass")), SCALE, OBSERVER.errors)
