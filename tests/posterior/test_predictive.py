import numpy as np
import pytest
from scipy import stats

from hpcflow.model.observe import NOISE
from hpcflow.posterior.predictive import chi2, predictive

LEVELS = (0.16, 0.5, 0.84)
laws = pytest.mark.parametrize("law", NOISE)


def test_chi2_by_hand() -> None:
    model, flux, sigma = np.array([1.0, 2, 3, 4, 5]), np.array([2.0, 2, 1, 4, 8]), np.array([1.0, 1, 2, 1, 3])
    everything = np.ones(5, bool)
    # pulls 1, 0, 1, 0, 1
    assert chi2(model, flux, sigma, everything, 3) == pytest.approx(3 / 2)
    assert chi2(model, flux, sigma, everything, 1) == pytest.approx(3 / 4)


@pytest.mark.parametrize("bands", [2, 3, 4])
def test_fewer_bands_than_parameters_count_as_one_degree_of_freedom(bands: int) -> None:
    observed = np.arange(5) < bands
    model, flux = np.full(5, 3.0), np.where(observed, 1.0, np.nan)
    sigma = np.where(observed, 1.0, np.nan)
    assert chi2(model, flux, sigma, observed, 3) == pytest.approx(4.0 * bands)


def test_chi2_of_the_truth_is_one_per_band_on_average() -> None:
    rng = np.random.default_rng(1)
    found = [chi2(np.zeros(5), rng.standard_normal(5), np.ones(5), np.ones(5, bool), 0) for _ in range(4000)]
    assert np.mean(found) == pytest.approx(1.0, abs=5 * np.sqrt(2 / 5 / 4000))


def ranks(law: str, factor: float, clusters: int = 400, n: int = 200) -> np.ndarray:
    """Return predictive ranks (clusters, 2) for a posterior `factor` times as wide as the distribution of the truth."""
    rng = np.random.default_rng(2)
    found = []
    for _ in range(clusters):
        centre = rng.uniform(1, 2, 2)
        truth = centre * np.exp(0.3 * rng.standard_normal(2))
        sigma = 0.1 * centre
        flux = NOISE[law](truth, sigma, rng.standard_normal(2))
        posterior = centre * np.exp(factor * 0.3 * rng.standard_normal((n, 2)))
        found.append(predictive(posterior, flux, sigma, law, rng, LEVELS)["predictive_rank"])
    return np.array(found)


@laws
@pytest.mark.parametrize(("factor", "seen"), [(1.0, "right"), (3.0, "too wide"), (0.3, "too narrow")])
def test_ranks_are_uniform_if_truth_and_prediction_have_one_distribution(law: str, factor: float, seen: str) -> None:
    for column in ranks(law, factor).T:
        uniform = stats.kstest(column, "uniform").pvalue
        assert (uniform > 1e-3) == (seen == "right")
        middle = np.mean((column > 0.25) & (column < 0.75))
        if seen != "right":
            assert (middle > 0.6) == (seen == "too wide")


@pytest.mark.parametrize("shift", [0.0, 6.0])
def test_the_p_value_is_small_if_no_sample_explains_the_observation(shift: float) -> None:
    rng = np.random.default_rng(4)
    sigma, found = np.full(5, 0.1), []
    for _ in range(300):
        flux = 1 + 0.1 * rng.standard_normal(5) + 0.1 * shift * np.array([1, -1, 0, 0, 0])
        posterior = 1 + 0.01 * rng.standard_normal((200, 5))  # the posterior is much narrower than the noise
        found.append(float(predictive(posterior, flux, sigma, "normal", rng, LEVELS)["predictive_p"]))
    if shift:
        assert np.mean(found) < 0.01
    else:
        assert stats.kstest(found, "uniform").pvalue > 1e-3


def test_missing_bands_do_not_affect_the_p_value() -> None:
    flux, sigma = np.array([1.0, 1.0, np.nan]), np.array([0.1, 0.1, np.nan])
    posterior = np.ones((50, 3))
    found = predictive(posterior, flux, sigma, "normal", np.random.default_rng(1), LEVELS)
    assert found["predictive_p"] == 1.0  # an observation that is hit exactly is never farther away


@laws
def test_mean_and_quantiles_agree_with_the_noise_model(law: str) -> None:
    true, sigma = np.full((40_000, 2), 3.0), np.array([0.3, 0.9])
    found = predictive(true, np.array([3.0, 3.0]), sigma, law, np.random.default_rng(3), LEVELS)
    np.testing.assert_allclose(found["predictive_mean"], 3.0, atol=5 * 0.9 / np.sqrt(40_000))
    z = stats.norm.ppf(LEVELS)
    for band in range(2):
        exact = NOISE[law](np.full(3, 3.0), np.full(3, sigma[band]), z)
        np.testing.assert_allclose(found["predictive_quantile"][band], exact, atol=0.05)
        assert found["predictive_rank"][band] == pytest.approx(np.interp(3.0, exact, LEVELS), abs=0.02)


@laws
def test_a_missing_band_has_no_prediction_and_changes_no_other(law: str) -> None:
    true = np.random.default_rng(4).uniform(1, 2, (50, 3))
    flux, sigma = np.full(3, 1.5), np.full(3, 0.1)
    whole = predictive(true, flux, sigma, law, np.random.default_rng(5), LEVELS)
    flux[1] = sigma[1] = np.nan
    found = predictive(true, flux, sigma, law, np.random.default_rng(5), LEVELS)
    assert np.isfinite(found.pop("predictive_p"))
    for name, value in found.items():
        assert np.isnan(value[1]).all()
        np.testing.assert_array_equal(value[[0, 2]], whole[name][[0, 2]])
    assert found["predictive_quantile"].shape == (3, 3)
