import numpy as np
import pytest

from hpcflow.sources.cluster.population import Globulars, Population

N = 200_000


def drawn(population: Population, seed: int = 1) -> dict[str, np.ndarray]:
    return population.sample(N, np.random.default_rng(seed))


def share_below(values: np.ndarray, x: float) -> float:
    return float(np.mean(values < x))


def test_everything_is_inside_its_bounds() -> None:
    population = Population()
    sample = drawn(population)
    for name in ("log_age", "log_mass", "ebv"):
        low, high = getattr(population, name)
        assert sample[name].shape == (N,)
        assert low <= sample[name].min()
        assert sample[name].max() <= high


@pytest.mark.parametrize("slope", [-2.0, -1.5, -1.0, 0.0])
def test_masses_follow_their_power_law(slope: float) -> None:
    mass = drawn(Population(mass_slope=slope))["log_mass"]
    low, middle, high = 2.5, 3.5, 7.0
    power = slope + 1
    if power == 0:
        expected = (middle - low) / (high - low)
    else:
        expected = (10 ** (power * middle) - 10 ** (power * low)) / (10 ** (power * high) - 10 ** (power * low))
    assert share_below(mass, middle) == pytest.approx(expected, abs=5 / np.sqrt(N))


def test_ages_follow_their_power_law() -> None:
    age = drawn(Population())["log_age"]
    low, middle, high = 6.0, 8.0, 10.1383
    expected = (10 ** (0.2 * middle) - 10 ** (0.2 * low)) / (10 ** (0.2 * high) - 10 ** (0.2 * low))
    assert share_below(age, middle) == pytest.approx(expected, abs=5 / np.sqrt(N))


def test_reddening_is_a_truncated_exponential() -> None:
    mean = 0.2
    ebv = drawn(Population())["ebv"]
    assert ebv.mean() == pytest.approx(mean - 1.5 / np.expm1(1.5 / mean), abs=5 * mean / np.sqrt(N))
    assert share_below(ebv, 0.2) == pytest.approx(np.expm1(-1) / np.expm1(-7.5), abs=5 / np.sqrt(N))


@pytest.mark.parametrize("slope", [-2.0, -1.0, 0.5])
def test_the_density_is_that_of_the_samples(slope: float) -> None:
    population = Population(mass_slope=slope, age_slope=slope / 2, ebv_mean=0.4)
    points = np.random.default_rng(3).random((N, 3))
    low, high = np.array([population.log_age, population.log_mass, population.ebv]).T
    flat = (low + (high - low) * points).T
    weight = np.exp(population.log_density(*flat)) * np.prod(high - low)
    assert weight.mean() == pytest.approx(1, abs=0.02)
    sample = drawn(population)
    for name, values in zip(("log_age", "log_mass", "ebv"), flat, strict=True):
        assert np.average(values, weights=weight) == pytest.approx(sample[name].mean(), abs=0.02)


def test_there_is_no_density_outside_the_bounds() -> None:
    inside, outside = Population().log_density(np.full(2, 8.0), np.array([3.0, 2.0]), np.array([0.1, 0.1]))
    assert np.isfinite(inside)
    assert outside == -np.inf
    assert Population().log_density(np.array(8.0), np.array(3.0), np.array(-0.01)) == -np.inf


def test_globulars_are_old_and_poor_in_metals() -> None:
    sample = Globulars().sample(N, np.random.default_rng(1))
    assert 9.9 <= sample["log_age"].min() <= sample["log_age"].max() <= 10.1
    assert 0 <= sample["ebv"].min() <= sample["ebv"].max() <= 0.1
    log_z = np.log10(sample["metallicity"] / 0.02)
    assert -1.5 <= log_z.min() <= log_z.max() <= -0.5
    assert np.median(10 ** sample["log_mass"]) == pytest.approx(2e5, rel=0.02)


def test_mass_and_age_are_independent() -> None:
    sample = drawn(Population())
    assert abs(np.corrcoef(sample["log_age"], sample["log_mass"])[0, 1]) < 5 / np.sqrt(N)


def test_the_same_generator_gives_the_same_clusters() -> None:
    one, two, other = drawn(Population()), drawn(Population()), drawn(Population(), seed=2)
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert not np.array_equal(one["ebv"], other["ebv"])
