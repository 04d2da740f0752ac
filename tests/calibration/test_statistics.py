from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from hpcflow.calibration.statistics import calibrate, denser, nearer, product_names

torch.set_num_threads(1)

LEVELS = (0.16, 0.5, 0.84)
N, DRAWS = 2000, 99


def experiment(width: float, shift: float = 0.0) -> dict[str, np.ndarray]:
    """Calibrate a posterior of three parameters that is `width` times as wide as it should be."""
    generator = torch.Generator().manual_seed(1)
    centre = 5 + torch.randn((N, 3), generator=generator, dtype=torch.float64)
    truth = centre + torch.randn((N, 3), generator=generator, dtype=torch.float64)
    noise = torch.randn((N, DRAWS, 3), generator=generator, dtype=torch.float64)
    return calibrate(truth, centre[:, None] + shift + width * noise, LEVELS)


def pvalues(ranks: np.ndarray) -> np.ndarray:
    """Return how likely each column of ranks is uniform on 0, 1/n .. 1."""
    counts = np.stack([np.bincount(np.rint(c * DRAWS).astype(int) // 10, minlength=10) for c in ranks.T])
    return np.array([stats.chisquare(row).pvalue for row in counts])


def test_a_posterior_that_is_right_has_uniform_ranks() -> None:
    found = experiment(1.0)
    assert (pvalues(found["rank"]) > 1e-3).all()
    assert (pvalues(found["rank_product"]) > 1e-3).all()


@pytest.mark.parametrize(("width", "crowd"), [(2.0, "middle"), (0.5, "ends")])
def test_a_posterior_that_is_too_wide_or_too_narrow_is_seen(width: float, crowd: str) -> None:
    found = experiment(width)
    for name in ("rank", "rank_product"):
        assert (pvalues(found[name]) < 1e-10).all()
        middle = ((found[name] > 0.25) & (found[name] < 0.75)).mean(axis=0)
        assert ((middle > 0.55) if crowd == "middle" else (middle < 0.45)).all()


@pytest.mark.parametrize("shift", [-0.5, 0.5])
def test_a_posterior_that_is_shifted_is_seen_and_where_to(shift: float) -> None:
    found = experiment(1.0, shift)
    assert (pvalues(found["rank"]) < 1e-10).all()
    assert ((found["rank"].mean(axis=0) < 0.5) == (shift > 0)).all()


def test_ranks_and_quantiles_by_hand() -> None:
    samples = torch.tensor([[[1.0, 5.0], [2.0, 6.0], [3.0, 7.0], [4.0, 8.0]]])
    found = calibrate(torch.tensor([[2.5, 4.0]]), samples, (0.0, 0.5, 1.0))
    np.testing.assert_allclose(found["rank"], [[0.5, 0.0]])
    np.testing.assert_allclose(found["rank_product"], [[0.25]])  # 10 among 5, 12, 21, 32
    np.testing.assert_allclose(found["quantile"], [[[1, 5], [2.5, 6.5], [4, 8]]])


def test_quantiles_are_those_of_numpy() -> None:
    samples = torch.randn((20, 50, 3), generator=torch.Generator().manual_seed(2))
    found = calibrate(torch.zeros(20, 3), samples, LEVELS)
    np.testing.assert_allclose(
        found["quantile"], np.quantile(samples.numpy(), LEVELS, axis=1).swapaxes(0, 1), rtol=1e-5
    )
    assert found["quantile"].shape == (20, 3, 3)


@pytest.mark.parametrize("dim", [2, 3, 4])
def test_every_pair_has_a_name_and_a_rank(dim: int) -> None:
    names = product_names([f"p{i}" for i in range(dim)])
    found = calibrate(torch.zeros(5, dim), torch.randn(5, 10, dim), LEVELS)
    assert found["rank_product"].shape == (5, len(names))
    assert len(set(names)) == dim * (dim - 1) // 2


def test_products_are_named_in_the_order_they_are_ranked() -> None:
    truth = torch.tensor([[1.0, 10.0, 100.0]])
    samples = truth[:, None] * torch.tensor([[[2.0, 2.0, 0.4]]])  # a*b grows, a*c and b*c fall
    ranks = calibrate(truth, samples, LEVELS)["rank_product"][0]
    assert dict(zip(product_names("abc"), ranks, strict=True)) == {"a*b": 0.0, "a*c": 1.0, "b*c": 1.0}


def shares(spoil: str) -> dict[str, np.ndarray]:
    """Return the joint statistics of the posterior N(x / 2, 1/2) of theta ~ N(0, 1), x ~ N(theta, 1), spoiled."""
    generator = torch.Generator().manual_seed(3)
    truth, error = torch.randn((2, N, 3), generator=generator, dtype=torch.float64)
    mean, width = (truth + error) / 2, {"wide": 1.2, "narrow": 0.8}.get(spoil, 1.0) * 0.5**0.5
    if spoil == "mixed up":
        mean = mean.roll(1, dims=0)
    samples = mean[:, None] + width * torch.randn((N, DRAWS, 3), generator=generator, dtype=torch.float64)

    def log_q(theta: torch.Tensor) -> torch.Tensor:
        return -((theta - mean[:, None]) ** 2).sum(dim=-1) / (2 * width**2)

    reference = torch.randn((N, 3), generator=generator, dtype=torch.float64)
    return {
        "denser": denser(log_q(truth[:, None])[:, 0], log_q(samples)),
        "nearer": nearer(truth, samples, reference),
    }


def test_joint_statistics_of_an_exact_posterior_are_uniform() -> None:
    found = shares("exact")
    assert (pvalues(np.stack(list(found.values()), axis=1)) > 1e-3).all()


@pytest.mark.parametrize("spoil", ["wide", "narrow", "mixed up"])
def test_joint_statistics_show_what_is_wrong(spoil: str) -> None:
    found = shares(spoil)
    assert (pvalues(np.stack(list(found.values()), axis=1)) < 1e-6).all()
    assert (found["denser"].mean() < 0.5) == (spoil == "wide")  # the truth is deep inside posteriors that are too wide


def test_joint_statistics_by_hand() -> None:
    np.testing.assert_allclose(denser(torch.tensor([2.0]), torch.tensor([[1.0, 2.0, 3.0, 4.0]])), [0.5])
    samples = torch.tensor([[[0.0, 0.1], [0.0, 3.0], [0.5, 0.0]]])
    np.testing.assert_allclose(nearer(torch.tensor([[1.0, 0.0]]), samples, torch.zeros(1, 2)), [2 / 3])


class Gaussian:
    """What sbi asks of a posterior: samples (n, N, D), and the density of N(x, 1)."""

    def __init__(self, samples: torch.Tensor) -> None:
        self.samples = samples

    def sample_batched(self, *_: object, **__: object) -> torch.Tensor:
        return self.samples

    def log_prob(self, theta: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return -(theta - x).square().sum(dim=-1) / 2


@pytest.mark.filterwarnings("ignore")  # what sbi imports warns of others' changes
@pytest.mark.parametrize("width", [0.7, 1.0, 1.4])
def test_ranks_regions_and_tarp_are_those_of_sbi(width: float, peer: Callable[[str], Any]) -> None:
    sbi = peer("sbi.diagnostics")
    n, draws = 300, 100
    generator = torch.Generator().manual_seed(4)
    x = torch.randn((n, 3), generator=generator)
    truth = x + torch.randn((n, 3), generator=generator)
    samples = x[:, None] + width * torch.randn((n, draws, 3), generator=generator)
    reference = torch.randn((n, 3), generator=generator)
    posterior = Gaussian(samples.movedim(0, 1))
    asked = (truth, x, posterior)

    ranks, _ = sbi.run_sbc(*asked, num_posterior_samples=draws, show_progress_bar=False)
    np.testing.assert_array_equal(np.rint(draws * calibrate(truth, samples, LEVELS)["rank"]), ranks)

    sparser, _ = sbi.run_sbc(
        *asked, num_posterior_samples=draws, reduce_fns=posterior.log_prob, show_progress_bar=False
    )
    ours = denser(posterior.log_prob(truth, x), posterior.log_prob(samples, x[:, None]))
    np.testing.assert_array_equal(np.rint(draws * (1 - ours)), sparser[:, 0])

    # More bins than steps that ranks can make, and a prime number of them: no rank is on the edge between two.
    tarp = {"references": reference, "num_posterior_samples": draws, "num_bins": 101, "z_score_theta": False}
    covered, level = sbi.run_tarp(*asked, **tarp, show_progress_bar=False)
    rank = np.sort(nearer(truth, samples, reference))
    np.testing.assert_allclose(np.searchsorted(rank, level[1:-1]) / n, covered[1:-1], atol=1e-6)
