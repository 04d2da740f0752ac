import numpy as np
import pytest

from hpcflow.sources.cluster.population import Population

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
    low, middle, high = 2.5, 3.5, 6.5
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


def test_reddening_falls_with_age_as_a_truncated_exponential() -> None:
    for log_age, mean in ((6.0, 0.35), (7.0, 0.2), (8.0, 0.05), (10.0, 0.05)):
        ebv = drawn(Population(log_age=(log_age, log_age + 1e-6)))["ebv"]
        truncated = mean - 1.5 / np.expm1(1.5 / mean)
        assert ebv.mean() == pytest.approx(truncated, abs=5 * mean / np.sqrt(N))


def test_mass_and_age_are_independent() -> None:
    sample = drawn(Population())
    assert abs(np.corrcoef(sample["log_age"], sample["log_mass"])[0, 1]) < 5 / np.sqrt(N)


def test_the_same_generator_gives_the_same_clusters() -> None:
    one, two, other = drawn(Population()), drawn(Population()), drawn(Population(), seed=2)
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert not np.array_equal(one["ebv"], other["ebv"])
