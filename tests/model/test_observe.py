import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from clusters import cluster_observer, distance, scale
from hpcflow.model.observe import NOISE, Draws, Observer, add_systematic, lognormal, normal

N = 200_000
laws = pytest.mark.parametrize("law", NOISE)


def noise(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(N)


@laws
@pytest.mark.parametrize("relative", [0.02, 0.2, 0.5])
def test_an_observation_has_the_stated_mean_and_standard_deviation(law: str, relative: float) -> None:
    flux, sigma = 3.0, 3.0 * relative
    seen = NOISE[law](np.full(N, flux), np.full(N, sigma), noise())
    assert seen.mean() == pytest.approx(flux, abs=5 * sigma / np.sqrt(N))
    square = (seen - flux) ** 2
    assert square.mean() == pytest.approx(sigma**2, abs=5 * square.std() / np.sqrt(N))


def test_the_lognormal_is_lognormal_and_the_normal_normal() -> None:
    flux, sigma = np.full(N, 2.0), np.full(N, 0.8)
    log = np.log(lognormal(flux, sigma, noise()))
    assert stats.kstest((log - log.mean()) / log.std(), "norm").pvalue > 1e-3
    assert stats.kstest((normal(flux, sigma, noise()) - 2.0) / 0.8, "norm").pvalue > 1e-3
    assert (lognormal(flux, 5 * flux, noise()) > 0).all()
    assert (normal(flux, sigma, noise()) < 0).any()


@pytest.mark.parametrize("sets", [(), ((True,) * 5 + (False,) * 2, (False,) * 2 + (True,) * 5)])
def test_subsets_have_all_sizes_and_all_bands_alike(sets: tuple[tuple[bool, ...], ...]) -> None:
    rng = np.random.default_rng(3)
    observer = cluster_observer(subset=(2, 4), band_sets=sets)
    kept = observer(np.ones((30_000, 7)), np.full(30_000, 4.0), rng).observed
    sizes = np.bincount(kept.sum(axis=1), minlength=8)
    assert sizes[[0, 1, 5, 6, 7]].sum() == 0
    np.testing.assert_allclose(sizes[2:5], 10_000, rtol=0.05)
    of_set = np.mean(sets, axis=0) if sets else np.ones(7)
    np.testing.assert_allclose(kept.mean(axis=0), 3 / (5 if sets else 7) * of_set, rtol=0.05)
    if sets:
        assert (kept & ~np.array(sets)[0]).any(axis=1).sum() + (kept & ~np.array(sets)[1]).any(axis=1).sum() < 31_000


@laws
def test_without_an_error_the_flux_is_seen_as_it_is(law: str) -> None:
    flux = np.random.default_rng(2).uniform(1e-9, 1e9, N)
    np.testing.assert_array_equal(NOISE[law](flux, np.zeros(N), noise()), flux)


@laws
def test_more_noise_is_more_flux_and_zero_noise_the_median(law: str) -> None:
    step = np.linspace(-4, 4, 101)
    seen = NOISE[law](np.full(101, 1.7), np.full(101, 0.3), step)
    assert (np.diff(seen) > 0).all()
    assert seen[50] <= 1.7  # the median of a lognormal lies below its mean


@laws
@given(st.floats(1e-3, 1e3))
@settings(max_examples=30, deadline=None)
def test_units_do_not_matter(law: str, unit: float) -> None:
    flux, sigma = np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.6, 0.0])
    z = np.array([0.3, -1.0, 2.0])
    np.testing.assert_allclose(NOISE[law](unit * flux, unit * sigma, z), unit * NOISE[law](flux, sigma, z), rtol=1e-12)


def test_a_systematic_is_added_in_quadrature() -> None:
    flux, sigma = np.array([100.0, 100.0, 100.0, -100.0]), np.array([0.0, 5.0, 12.0, 12.0])
    np.testing.assert_allclose(add_systematic(flux, sigma, 0.05), [5.0, np.sqrt(50), 13.0, 13.0])
    np.testing.assert_array_equal(add_systematic(flux, sigma, 0.0), sigma)
    assert np.isnan(add_systematic(np.array([np.nan]), np.array([1.0]), 0.05)).all()
    torched = add_systematic(torch.tensor(flux), torch.tensor(sigma), 0.05)
    np.testing.assert_allclose(torched.numpy(), add_systematic(flux, sigma, 0.05), rtol=1e-12)


def test_mass_and_distance_only_scale() -> None:
    assert scale(np.array([0.0]), np.array([1e-5]))[0] == pytest.approx(1.0)  # a solar mass at 10 pc
    assert scale(np.array([5.0]), np.array([2e-5]))[0] == pytest.approx(1e5 / 4)


OBSERVERS = [
    cluster_observer(),
    cluster_observer(relative_error=(0.05, 0.3), distance_mpc=(3.0, 20.0), missing=0.4),
    cluster_observer(
        "normal", (0.05, 0.5), band_sets=((True, True, True, False, False), (False, False, True, True, True))
    ),
    cluster_observer(band_sets=((True,) * 5, (True, True, False, False, False)), missing=0.7),
    cluster_observer(missing=1.0),
    cluster_observer("normal", (0.05, 0.5), missing=0.1, undetected=0.2),
    cluster_observer(relative_error=(0.03, 0.5), relative_error_scale="log"),
]
observers = pytest.mark.parametrize("observer", OBSERVERS)


def clusters(n: int, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.lognormal(10, 1, (n, 5)), rng.uniform(2, 8, n)


@observers
def test_numpy_and_torch_see_the_same(observer: Observer) -> None:
    flux, log_mass = clusters(500)
    draws = observer.draws(flux.shape, np.random.default_rng(6))
    there = observer.observe(flux, log_mass, draws)
    here = observer.observe(
        torch.from_numpy(flux), torch.from_numpy(log_mass), Draws(*(torch.from_numpy(a) for a in draws))
    )
    for numpys, torchs in zip(there, here, strict=True):
        np.testing.assert_allclose(torchs.numpy(), numpys, rtol=1e-12)
    assert here.observed.dtype == torch.bool
    assert there.observed.dtype == bool


@observers
def test_there_are_always_two_bands_and_all_of_one_set(observer: Observer) -> None:
    flux, log_mass = clusters(4000)
    seen = observer(flux, log_mass, np.random.default_rng(7))
    assert seen.observed.shape == (4000, 5)
    assert (seen.observed.sum(axis=1) >= 2).all()
    sets = np.array(observer.band_sets or [(True,) * 5])
    assert (seen.observed[:, None] <= sets).all(axis=2).any(axis=1).all()


@pytest.mark.parametrize("observer", [o for o in OBSERVERS if o.noise == "lognormal"])
def test_distances_errors_and_noise_are_as_stated(observer: Observer) -> None:
    flux, log_mass = clusters(4000)
    seen = observer(flux, log_mass, np.random.default_rng(8))
    near, far = observer.scale.given[0].low, observer.scale.given[0].high
    assert stats.kstest(distance(seen), stats.uniform(near, far - near).cdf).pvalue > 1e-3
    true = flux * scale(log_mass, distance(seen))[:, None]
    low, high = observer.relative_error
    law = stats.loguniform(low, high) if observer.relative_error_scale == "log" else stats.uniform(low, high - low)
    assert stats.kstest((seen.sigma / true).ravel(), law.cdf).pvalue > 1e-3
    pull = (seen.flux - true) / seen.sigma
    assert pull.mean() == pytest.approx(0.0, abs=5 / np.sqrt(pull.size))
    assert pull.std() == pytest.approx(1.0, abs=0.05)


def test_band_sets_have_equal_shares() -> None:
    sets = ((True, True, False, False, False), (False, False, True, True, False), (False, False, False, True, True))
    flux, log_mass = clusters(30_000)
    seen = cluster_observer(band_sets=sets)(flux, log_mass, np.random.default_rng(9))
    for which in sets:
        share = (seen.observed == np.array(which)).all(axis=1).mean()
        assert share == pytest.approx(1 / 3, abs=5 * np.sqrt(2 / 9 / 30_000))


@pytest.mark.parametrize("missing", [0.0, 0.1, 0.4])
def test_bands_are_lost_as_often_as_stated(missing: float) -> None:
    flux, log_mass = clusters(40_000)
    seen = cluster_observer(missing=missing)(flux, log_mass, np.random.default_rng(10))
    counts = stats.binom(5, 1 - missing).pmf(np.arange(6))
    expected = np.append(counts[2:5], counts[5] + counts[0] + counts[1])  # too few bands: the whole set again
    found = [(seen.observed.sum(axis=1) == k).mean() for k in (2, 3, 4, 5)]
    np.testing.assert_allclose(found, expected, atol=5 * 0.5 / np.sqrt(40_000))


def test_a_band_that_is_not_observed_does_not_change_the_others() -> None:
    flux, log_mass = clusters(1000)
    draws = cluster_observer().draws(flux.shape, np.random.default_rng(11))
    whole, some = (
        cluster_observer().observe(flux, log_mass, draws),
        cluster_observer(missing=0.5).observe(flux, log_mass, draws),
    )
    np.testing.assert_array_equal(some.flux, whole.flux)
    assert whole.observed.all()
    assert not some.observed.all()


def test_normal_noise_has_the_listed_errors_and_the_pulls_of_its_law() -> None:
    observer = cluster_observer("normal", (0.05, 0.5), undetected=0.2)
    flux, log_mass = clusters(8000)
    seen = observer(flux, log_mass, np.random.default_rng(12))
    true = flux * scale(log_mass, distance(seen))[:, None]
    detected = seen.flux * 0.5 >= seen.sigma
    assert (~detected).mean() == pytest.approx(0.2, abs=0.01)
    assert (seen.flux < 0).any()
    assert (seen.sigma >= 0.05 * seen.flux).all()
    bright = seen.flux > 8 * seen.sigma  # where a choice by what is listed hardly favours either sign of the noise
    pull = ((seen.flux - true) / seen.sigma)[bright]
    assert pull.mean() == pytest.approx(0.1, abs=0.05)  # f / sigma is uniform in the logarithm: smaller ones abound
    assert pull.std() == pytest.approx(1.0, abs=0.03)


def test_the_same_generator_gives_the_same_observation() -> None:
    flux, log_mass = clusters(10)
    one, two, other = (cluster_observer()(flux, log_mass, np.random.default_rng(seed)) for seed in (1, 1, 2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(one.flux, other.flux)
