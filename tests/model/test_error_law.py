import numpy as np
import pytest
import torch
from scipy import stats

from hpcflow.model.error_law import ErrorLaw

LAWS = [ErrorLaw(0.0, 0.5), ErrorLaw(0.03, 0.5), ErrorLaw(0.03, 1000.0, log=True)]
laws = pytest.mark.parametrize("law", LAWS, ids=str)


@laws
def test_draws_fill_the_range_as_the_density_says(law: ErrorLaw) -> None:
    error = law.draw(np.random.default_rng(1).random(20_000))
    assert error.min() >= law.low
    assert error.max() <= law.high
    # p(sigma | f) at f = 1 is the density of r itself
    edges = np.linspace(law.low, law.high, 4001) if not law.log else np.geomspace(law.low, law.high, 4001)
    with np.errstate(divide="ignore"):
        density = np.exp(law.log_density(np.zeros(4000), (edges[1:] + edges[:-1]) / 2))
    cumulated = np.append(0, np.cumsum(density * np.diff(edges)))
    assert cumulated[-1] == pytest.approx(1, abs=1e-4)
    assert stats.kstest(error, lambda r: np.interp(r, edges, cumulated)).pvalue > 1e-3


@laws
def test_the_density_is_one_of_errors_and_so_scales_with_the_flux(law: ErrorLaw) -> None:
    log_f, sigma = np.linspace(-30, 3, 9), np.full(9, 0.2)
    unit = law.log_density(np.zeros(9), sigma * np.exp(-log_f))
    np.testing.assert_allclose(law.log_density(log_f, sigma), unit - log_f, rtol=1e-12)


@laws
def test_the_slope_is_that_of_the_density(law: ErrorLaw) -> None:
    up, down = (law.log_density(np.array([at]), np.array([0.2])) for at in (1e-3, -1e-3))
    np.testing.assert_allclose((up - down) / 2e-3, law.slope, atol=1e-9)


@laws
def test_numpy_and_torch_draw_the_same(law: ErrorLaw) -> None:
    uniform = np.random.default_rng(2).random(100)
    np.testing.assert_allclose(law.draw(torch.from_numpy(uniform)).numpy(), law.draw(uniform), rtol=1e-12)
