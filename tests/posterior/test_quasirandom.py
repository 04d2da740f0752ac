import numpy as np
import pytest
import torch
from scipy import stats

from hpcflow.posterior.quasirandom import SOBOL, keyed_noise, keyed_uniform

KEY = ("NGC628", "7")


def test_quasi_random_noise_is_normal_and_belongs_to_its_object() -> None:
    noise = keyed_noise(1, KEY, 2048, 3, SOBOL)
    assert noise.dtype == torch.float32
    for column in noise.T:
        assert stats.kstest(column.numpy(), "norm").statistic < 0.002  # far below chance, which is 0.02
    np.testing.assert_allclose(np.cov(noise.T.numpy()), np.eye(3), atol=0.02)
    assert torch.equal(noise, keyed_noise(1, KEY, 2048, 3, SOBOL))
    assert torch.equal(noise[:100], keyed_noise(1, KEY, 100, 3, SOBOL))
    assert not torch.equal(noise, keyed_noise(2, KEY, 2048, 3, SOBOL))
    assert not torch.equal(noise, keyed_noise(1, ("NGC628", "8"), 2048, 3, SOBOL))


@pytest.mark.parametrize("parts", [2, 3, 20])
@pytest.mark.parametrize("n", [1000, 2048])
def test_each_part_fills_the_space_by_itself(parts: int, n: int) -> None:
    """As the members of an ensemble and the distances of a cluster have to."""
    points = keyed_uniform(1, KEY, n, 3, parts)
    assert points.shape == (n, 3)
    for part in range(parts):
        own = points[part::parts]
        assert all(stats.kstest(column, "uniform").statistic < 4 / len(own) ** 0.75 for column in own.T)
    for column in points.T:
        assert stats.kstest(column, "uniform").statistic < 0.01


def test_quasi_random_means_are_closer_than_independent_ones() -> None:
    def error(sampling: str) -> float:
        found = [keyed_noise(1, ("", str(i)), 1024, 3, sampling).double().exp().sum(dim=1).mean() for i in range(40)]
        return float(np.std(found))

    assert error(SOBOL) < error("independent") / 5
