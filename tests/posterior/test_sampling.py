import numpy as np
import pytest
import torch
from scipy import stats

from hpcflow.flow.families import FAMILIES
from hpcflow.model.prior import Parameter, Prior
from hpcflow.posterior.quasirandom import keyed_noise
from hpcflow.posterior.sampling import BLOCK, TILE, embedded, sample, summarise, together

torch.set_num_threads(1)

PRIOR = Prior((Parameter("log_age", 6, 10.1383), Parameter("log_mass", 2, 8), Parameter("ebv", 0, 1.5)))
LEVELS = (0.16, 0.5, 0.84)


def test_noise_belongs_to_its_cluster_in_any_order() -> None:
    keys = [("ngc628", str(i)) for i in range(5)] + [("ngc1566", "0")]
    forward = {key: keyed_noise(1, key, 20, 3) for key in keys}
    backward = {key: keyed_noise(1, key, 20, 3) for key in reversed(keys)}
    assert all(torch.equal(forward[key], backward[key]) for key in keys)
    assert len({float(noise[0, 0]) for noise in forward.values()}) == len(keys)
    assert not torch.equal(keyed_noise(2, keys[0], 20, 3), forward[keys[0]])


def test_noise_is_standard_normal_and_float32() -> None:
    noise = keyed_noise(1, ("ngc628", "1"), 20_000, 3)
    assert noise.shape == (20_000, 3)
    assert noise.dtype == torch.float32
    for column in noise.T:
        assert stats.kstest(column.numpy(), "norm").pvalue > 1e-3
    np.testing.assert_allclose(np.corrcoef(noise.T.numpy()), np.eye(3), atol=5 / np.sqrt(20_000))


def test_more_noise_continues_the_same_sequence() -> None:
    assert torch.equal(keyed_noise(1, ("a", "b"), 50, 3)[:20], keyed_noise(1, ("a", "b"), 20, 3))


@pytest.mark.parametrize("n", [30, 100, 5000])
@pytest.mark.parametrize("family", FAMILIES)
def test_clusters_are_sampled_as_the_flow_transforms(family: str, n: int) -> None:
    torch.manual_seed(1)
    flow = FAMILIES[family](PRIOR, 4, hidden=8, embedding_hidden=8)
    noise, x = torch.stack([keyed_noise(1, ("a", str(i)), n, 3) for i in range(5)]), torch.randn(5, 4)
    theta, log_q = sample(flow, embedded(flow, x), noise)
    assert theta.shape == (5, n, 3)
    assert log_q.shape == (5, n)
    assert not theta.requires_grad
    expected = flow.transform(noise, x)
    torch.testing.assert_close(theta, expected[0])
    torch.testing.assert_close(log_q, expected[1])


@pytest.mark.parametrize("n", [50, 100, 200, 333, 1000])
@pytest.mark.parametrize("family", FAMILIES)
def test_samples_do_not_depend_on_neighbouring_clusters(family: str, n: int) -> None:
    torch.manual_seed(2)
    flow = FAMILIES[family](PRIOR, 33, hidden=48, embedding_hidden=64)
    for weights in flow.parameters():
        weights.data += 0.05 * torch.randn_like(weights)
    flow.requires_grad_(False)
    noise, x = torch.stack([keyed_noise(1, ("a", str(i)), n, 3) for i in range(37)]), torch.randn(37, 33)
    theta, log_q = sample(flow, embedded(flow, x), noise)
    order = torch.randperm(37, generator=torch.Generator().manual_seed(3))
    mixed_theta, mixed_log_q = sample(flow, embedded(flow, x[order]), noise[order])
    assert torch.equal(mixed_theta, theta[order])
    assert torch.equal(mixed_log_q, log_q[order])
    for i in (0, 5, 36):
        alone_theta, alone_log_q = sample(flow, embedded(flow, x[i : i + 1]), noise[i : i + 1])
        assert torch.equal(alone_theta[0], theta[i])
        assert torch.equal(alone_log_q[0], log_q[i])


def test_a_tile_holds_as_many_clusters_as_fit() -> None:
    for n in range(1, 3000, 7):
        count = together(n)
        assert count == 1 or count * n <= TILE
        assert BLOCK % count == 0


def test_the_summary_agrees_with_numpy() -> None:
    rng = np.random.default_rng(1)
    theta = rng.multivariate_normal([8, 5, 0.3], [[1, 0.4, 0], [0.4, 0.5, 0.02], [0, 0.02, 0.01]], 3000)
    log_q = rng.standard_normal(3000)
    found = summarise(theta.astype(np.float32), log_q.astype(np.float32), LEVELS)
    np.testing.assert_allclose(found["quantile"], np.quantile(theta, LEVELS, axis=0), rtol=1e-5)
    np.testing.assert_allclose(found["mean"], theta.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found["std"], theta.std(axis=0, ddof=1), rtol=1e-5)
    np.testing.assert_allclose(found["covariance"], np.cov(theta.T), atol=1e-5)
    assert found["entropy"] == pytest.approx(-log_q.mean(), abs=1e-5)
    assert {name: value.shape for name, value in found.items()} == {
        "quantile": (3, 3),
        "mean": (3,),
        "std": (3,),
        "covariance": (3, 3),
        "entropy": (),
    }


def test_the_entropy_of_a_gaussian_is_known() -> None:
    z = torch.from_numpy(np.random.default_rng(2).standard_normal((40_000, 3)))
    log_q = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(dim=1)
    expected = 1.5 * np.log(2 * np.pi * np.e)
    assert summarise(z.numpy(), log_q.numpy(), LEVELS)["entropy"] == pytest.approx(
        expected, abs=5 * np.sqrt(1.5 / 40_000)
    )
