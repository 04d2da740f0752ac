from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.cluster import MeanShift
from torch import Tensor

from hpcflow.posterior import modes as module
from hpcflow.posterior.modes import mean_shift

torch.set_num_threads(1)


def blobs(centres: list[list[float]], shares: list[float], width: float = 0.15, n: int = 2000, seed: int = 1) -> Tensor:
    rng = np.random.default_rng(seed)
    which = rng.choice(len(centres), n, p=shares)
    return torch.from_numpy(np.array(centres)[which] + width * rng.standard_normal((n, len(centres[0]))))


THREE = [[0.0, 0.0, 0.0], [3.0, 0.0, 1.0], [0.0, 3.0, -1.0]]


def ridge(n: int = 2000, seed: int = 1, width: float = 0.03) -> tuple[Tensor, Callable[[np.ndarray], np.ndarray]]:
    """Return samples of a thin curved ridge, and its log-density."""
    rng = np.random.default_rng(seed)
    along = rng.standard_normal(n)
    across = along**2 + width * rng.standard_normal(n)

    def log_density(points: np.ndarray) -> np.ndarray:
        x, y = points.T
        return -(x**2) / 2 - ((y - x**2) / width) ** 2 / 2

    return torch.from_numpy(np.stack([along, across], axis=1)), log_density


@pytest.mark.parametrize("seed", [1, 2])
def test_modes_agree_with_scikit_learn(seed: int) -> None:
    samples = blobs(THREE, [0.5, 0.3, 0.2], seed=seed)
    found = mean_shift(samples[None])
    theirs = MeanShift(bandwidth=1.0).fit(samples.numpy()[:1000]).cluster_centers_
    assert len(theirs) == 3
    ours = found.location[0].numpy()
    nearest = np.linalg.norm(ours[:, None] - theirs[None], axis=-1)
    assert sorted(nearest.argmin(axis=1)) == [0, 1, 2]
    assert nearest.min(axis=1).max() < 0.15


def test_three_blobs_come_in_the_order_of_their_density() -> None:
    for shares in ([0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.3, 0.2, 0.5]):
        found = mean_shift(blobs(THREE, shares)[None])
        order = np.argsort(shares)[::-1]
        np.testing.assert_allclose(found.location[0], np.array(THREE)[order], atol=0.1)
        np.testing.assert_allclose(found.share[0], np.array(shares)[order], atol=0.04)
        assert (found.density[0].diff() < 0).all()


def test_modes_are_ordered_by_density_not_by_share() -> None:
    rng = np.random.default_rng(3)
    wide, thin = 0.5 * rng.standard_normal((1200, 2)), np.array([6.0, 0.0]) + 0.1 * rng.standard_normal((800, 2))
    found = mean_shift(torch.from_numpy(rng.permutation(np.concatenate([wide, thin])))[None])
    assert found.location[0, 0, 0].item() == pytest.approx(6.0, abs=0.1)
    assert found.share[0, 0].item() == pytest.approx(0.4, abs=0.02)
    assert found.share[0, 1].item() == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize("dim", [2, 3, 4])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_gaussian_has_one_mode_near_its_mean(dim: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    root = np.tril(rng.uniform(-1, 1, (dim, dim)), -1) + np.diag(rng.uniform(0.2, 1, dim))
    samples = 5.0 + rng.standard_normal((2000, dim)) @ root.T
    found = mean_shift(torch.from_numpy(samples)[None])
    pull = np.linalg.solve(root, found.location[0, 0].numpy() - 5.0)
    assert np.linalg.norm(pull) < 0.5
    assert torch.isnan(found.location[0, 1:]).all()
    assert torch.isnan(found.density[0, 1:]).all()
    assert found.share[0, 0] == 1.0


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_on_a_thin_ridge_sharpening_climbs_higher(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    samples, log_density = ridge(seed=seed)
    sharp = mean_shift(samples[None]).location[0, :1].numpy()
    monkeypatch.setattr(module, "SHARPEN", 1)
    monkeypatch.setattr(module, "LEAST_WEIGHT", 1e9)
    plain = mean_shift(samples[None]).location[0, :1].numpy()
    assert log_density(sharp)[0] > log_density(plain)[0]
    assert log_density(sharp)[0] > -3.0


def test_shares_add_up_and_missing_modes_are_nan() -> None:
    for centres, shares in ((THREE, [0.4, 0.3, 0.3]), (THREE[:2], [0.5, 0.5]), (THREE[:1], [1.0])):
        found = mean_shift(blobs(centres, shares)[None])
        assert found.location.shape == (1, 3, 3)
        assert torch.nansum(found.share).item() == pytest.approx(1.0)
        known = ~found.share.isnan()
        assert known.sum() == len(centres)
        assert torch.equal(known, ~found.density.isnan())
        assert torch.equal(known, ~found.location.isnan().any(dim=-1))


@pytest.mark.parametrize("wanted", [1, 2, 5])
def test_there_are_no_more_modes_than_requested(wanted: int) -> None:
    found = mean_shift(blobs(THREE, [0.5, 0.3, 0.2])[None], wanted)
    assert found.location.shape == (1, wanted, 3)
    assert (~found.share.isnan()).sum() == min(wanted, 3)
    np.testing.assert_allclose(found.location[0, 0], THREE[0], atol=0.1)


def test_modes_at_the_edge_of_the_prior_stay_inside() -> None:
    rng = np.random.default_rng(1)
    edge = np.stack([0.1 * rng.exponential(size=2000), 1.5 - 1e-3 * rng.exponential(size=2000)], axis=1)
    found = mean_shift(torch.from_numpy(edge)[None])
    points = found.location[0][~found.share[0].isnan()].numpy()
    assert (points >= edge.min(axis=0)).all()
    assert (points <= edge.max(axis=0)).all()
    assert points[0, 0] < 0.1
    assert points[0, 1] > 1.499


def test_the_same_samples_give_the_same_modes_alone_and_in_a_batch() -> None:
    sets = torch.stack(
        [blobs(THREE, [0.5, 0.3, 0.2]), blobs(THREE[:2] * 2, [0.3, 0.2, 0.3, 0.2]), blobs(THREE[:1], [1.0])]
    )
    together, again = mean_shift(sets), mean_shift(sets.clone())
    for a, b in zip(together, again, strict=True):
        np.testing.assert_array_equal(a, b)
    for i in range(3):
        alone = mean_shift(sets[i : i + 1])
        np.testing.assert_allclose(alone.location[0], together.location[i], atol=2e-3)
        np.testing.assert_allclose(alone.share[0], together.share[i], atol=2e-3)


@pytest.mark.parametrize("n", [96, 200, 2000])
def test_modes_do_not_depend_on_the_position_in_a_batch(n: int) -> None:
    rng = np.random.default_rng(5)
    sets = torch.stack([blobs(THREE, rng.dirichlet([1, 1, 1]).tolist(), n=n, seed=i) for i in range(32)])
    order = torch.from_numpy(rng.permutation(32))
    for there, then in zip(mean_shift(sets), mean_shift(sets[order]), strict=True):
        np.testing.assert_array_equal(there[order], then)


def test_modes_shift_and_scale_with_the_samples() -> None:
    samples = blobs(THREE, [0.5, 0.3, 0.2])
    stretch, move = torch.tensor([2.0, 0.5, 10.0]), torch.tensor([8.0, -3.0, 100.0])
    one, other = mean_shift(samples[None]), mean_shift((samples * stretch + move)[None])
    np.testing.assert_allclose(other.location[0], one.location[0] * stretch + move, atol=2e-2)


def test_a_constant_parameter_is_accepted() -> None:
    samples = blobs(THREE, [0.5, 0.3, 0.2])
    samples[:, 2] = 1.5
    found = mean_shift(samples[None])
    assert (found.location[0, 0, 2] == 1.5).all()
    assert torch.isfinite(found.location[0, 0]).all()
