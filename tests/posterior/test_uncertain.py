"""Marginalisation over distance: the result is known, because mass compensates for distance exactly."""

from functools import cache

import numpy as np
import pytest
import torch

from clusters import cluster_estimator, cluster_observer, distance
from hpcflow.flow.estimator import Estimator, as_tensors
from hpcflow.model.filters import load_curve
from hpcflow.model.observe import Photometry
from hpcflow.model.prior import Parameter, Prior
from hpcflow.model.tables import load_ssp, shipped_tables
from hpcflow.posterior.importance import importance
from hpcflow.posterior.likelihood import Likelihood
from hpcflow.posterior.quasirandom import keyed_noise
from hpcflow.posterior.target import Target
from hpcflow.posterior.uncertain import GROUPS, TargetAtGiven, at_given, sample_at
from hpcflow.sources.cluster.parameters import SCALE
from hpcflow.sources.cluster.ssp import SspSimulator

torch.set_num_threads(1)

KEY = ("NGC1566", "1")
ERROR = 0.047
PRIOR = Prior((Parameter("log_age", 6, 10.1383), Parameter("log_mass", 2, 8), Parameter("ebv", 0, 1.5)))
BANDS = ("F275W", "F336W", "F438W", "F555W", "F814W")


@cache
def simulator() -> SspSimulator:
    return SspSimulator(load_ssp(shipped_tables()[0], 0.02), {b: load_curve(f"WFC3_UVIS.{b}") for b in BANDS})


@cache
def target() -> Target:
    return Target(Likelihood(simulator(), PRIOR, cluster_observer()))


@cache
def estimator() -> Estimator:
    torch.manual_seed(0)
    made = cluster_estimator(PRIOR, BANDS, "absolute", {"family": "autoregressive", "hidden": 8, "embedding_hidden": 8})
    made.features.fit(as_tensors(observed(200)))
    return made.eval().requires_grad_(False)


def observed(n: int, seed: int = 2) -> Photometry:
    rng = np.random.default_rng(seed)
    theta = PRIOR.sample(n, rng)
    return cluster_observer(relative_error=(0.02, 0.3))(simulator()(theta[:, [0, 2]]), theta[:, 1], rng)


def test_without_an_error_there_is_only_one_distance() -> None:
    one = observed(1)
    assert at_given(one, np.array([0.0]), SCALE.given, 1, KEY) == [one]
    assert at_given(one, np.array([np.nan]), SCALE.given, 1, KEY) == [one]


def logs(one: Photometry, seed: int, key: tuple[str, str] = KEY) -> np.ndarray:
    return np.log10([distance(d)[0] for d in at_given(one, np.array([ERROR]), SCALE.given, seed, key)])


def test_distances_follow_their_distribution_and_depend_on_seed_and_cluster() -> None:
    one = observed(1)
    drawn = [logs(one, seed) for seed in (1, 1, 2)]
    offset = drawn[0] - np.log10(distance(one)[0])
    assert len(offset) == GROUPS
    assert abs(offset.mean()) < 0.1 * ERROR
    assert offset.std() == pytest.approx(ERROR, rel=0.1)
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).all()
    assert not np.allclose(offset, logs(one, 1, ("a", "b")))


def test_samples_at_a_distance_do_not_depend_on_the_other_distances() -> None:
    one = observed(1)
    ones = at_given(one, np.array([ERROR]), SCALE.given, 1, KEY)
    noise = keyed_noise(1, KEY, 100, 3)
    theta, log_q = sample_at(estimator(), ones, noise)
    alone, log_alone = sample_at(estimator(), [ones[7]], noise[7::GROUPS])
    np.testing.assert_allclose(theta[7::GROUPS], alone, rtol=1e-5)
    np.testing.assert_allclose(log_q[7::GROUPS], log_alone, atol=1e-4)


def test_each_sample_has_the_target_at_its_own_distance() -> None:
    one = observed(1)
    ones = at_given(one, np.array([ERROR]), SCALE.given, 1, KEY)
    theta = PRIOR.sample(2 * GROUPS, np.random.default_rng(1))
    found = TargetAtGiven(target(), one, ones, SCALE).log_prob(theta)
    np.testing.assert_array_equal(found[3::GROUPS], target().log_prob(theta[3::GROUPS], ones[3]))


def test_distance_errors_widen_the_exact_posterior_in_mass_only() -> None:
    one = observed(1, seed=4)
    ones = at_given(one, np.array([0.1]), SCALE.given, 1, KEY)
    best, moved = target().exact(one), TargetAtGiven(target(), one, ones, SCALE).exact()
    assert best is not None
    assert moved is not None
    narrow, wide = (p.sample(20_000, np.random.default_rng(1)) for p in (best, moved))
    np.testing.assert_array_equal(narrow[:, [0, 2]], wide[:, [0, 2]])
    assert wide[:, 1].std() == pytest.approx(np.hypot(narrow[:, 1].std(), 0.2), rel=0.05)
    assert wide[:, 1].mean() == pytest.approx(narrow[:, 1].mean(), abs=0.01)


def test_weighted_samples_agree_with_the_exact_posterior_at_all_distances() -> None:
    """With the prior as the flow, the mean and spread of the mass agree with the exact grid."""
    one = observed(1, seed=4)
    ones = at_given(one, np.array([0.1]), SCALE.given, 1, KEY)
    at = TargetAtGiven(target(), one, ones, SCALE)
    exact = at.exact()
    assert exact is not None
    grid = exact.sample(40_000, np.random.default_rng(2))[:, 1]
    low, high = grid.min(), grid.max()
    theta = PRIOR.sample(400_000, np.random.default_rng(1))
    theta[:, 1] = low + (high - low) * np.random.default_rng(3).random(len(theta))
    found = importance(at.log_prob(theta), np.zeros(len(theta)))
    assert found.effective > 300
    mean = found.share @ theta[:, 1]
    std = np.sqrt(found.share @ (theta[:, 1] - mean) ** 2)
    assert mean == pytest.approx(grid.mean(), abs=4 * grid.std() / np.sqrt(found.effective))
    assert std == pytest.approx(grid.std(), rel=4 / np.sqrt(2 * found.effective))
