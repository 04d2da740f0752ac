import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hpcflow.base.errors import InputError
from hpcflow.model.prior import EDGE, Parameter, Prior

PRIOR = Prior(
    (
        Parameter("log_age", 6, 10.1383, "dex(yr)"),
        Parameter("log_mass", 2, 8, "dex(M_sun)"),
        Parameter("r_v", 2.0, 6.0),
        Parameter("metallicity", 1e-4, 0.05, scale="log"),
    )
)


@st.composite
def parameters(draw: st.DrawFn, name: str) -> Parameter:
    scale = draw(st.sampled_from(["linear", "log"]))
    low = draw(st.floats(1e-3, 100.0) if scale == "log" else st.floats(-100.0, 100.0))
    return Parameter(name, low, low + draw(st.floats(1e-2, 100.0)), scale=scale)


priors = st.tuples(parameters("a"), parameters("b"), parameters("c")).map(Prior)
latents = st.lists(st.floats(-5.0, 5.0), min_size=3, max_size=3).map(np.array)


@given(priors, latents)
@settings(max_examples=200, deadline=None)
def test_latent_values_survive_the_way_to_declared_units_and_back(prior: Prior, z: np.ndarray) -> None:
    # Bounds as large as 200 and as close as 0.01 round the CDF to some 1e-12, and dz = dCDF / phi(z).
    sharp = 1e-9 + 1e-11 / stats.norm.pdf(z)
    assert (np.abs(prior.to_latent(prior.from_latent(z)) - z) <= sharp).all()


@given(priors, st.lists(st.floats(allow_nan=False), min_size=3, max_size=3).map(np.array))
@settings(max_examples=200, deadline=None)
def test_every_latent_value_lies_inside_the_bounds(prior: Prior, z: np.ndarray) -> None:
    theta = prior.from_latent(z)
    assert (theta >= prior.low).all()
    assert (theta <= prior.high).all()
    assert np.isfinite(prior.log_prob(theta))


@given(priors)
@settings(max_examples=50, deadline=None)
def test_bounds_have_a_finite_latent_value_far_out_and_of_their_own_sign(prior: Prior) -> None:
    edge = stats.norm.ppf(EDGE)
    np.testing.assert_allclose(prior.to_latent(prior.low), edge, rtol=1e-6)
    np.testing.assert_allclose(prior.to_latent(prior.high), -edge, rtol=1e-6)


def test_the_latent_prior_is_a_standard_normal_in_every_parameter_and_independent() -> None:
    z = PRIOR.to_latent(PRIOR.sample(20_000, np.random.default_rng(7)))
    for column in z.T:
        assert stats.kstest(column, "norm").pvalue > 1e-3
    np.testing.assert_allclose(np.corrcoef(z.T), np.eye(4), atol=5 / np.sqrt(20_000))


def test_a_log_scale_is_uniform_in_the_log_and_not_in_the_value() -> None:
    theta = PRIOR.sample(20_000, np.random.default_rng(8))[:, 3]
    assert stats.kstest(theta, stats.loguniform(1e-4, 0.05).cdf).pvalue > 1e-3
    assert stats.kstest(theta, stats.uniform(1e-4, 0.05 - 1e-4).cdf).pvalue < 1e-10


def test_samples_follow_the_density() -> None:
    # E[1 / p] over the prior is the volume of its box, where p is right.
    theta = PRIOR.sample(50_000, np.random.default_rng(9))
    inverse = np.exp(-PRIOR.log_prob(theta))
    volume = np.prod(PRIOR.high - PRIOR.low)
    assert inverse.mean() == pytest.approx(volume, abs=5 * inverse.std() / np.sqrt(len(theta)))


@pytest.mark.parametrize(
    "parameter", [*PRIOR.parameters, Parameter("x", -3.0, 7.5), Parameter("y", 0.5, 900.0, scale="log")]
)
def test_the_density_of_one_parameter_integrates_to_one(parameter: Parameter) -> None:
    x = np.linspace(parameter.low, parameter.high, 200_001)
    density = np.exp(Prior((parameter,)).log_prob(x[:, None]))
    assert np.trapezoid(density, x) == pytest.approx(1.0, rel=1e-4)


def test_the_joint_density_is_the_product_of_the_single_ones() -> None:
    theta = PRIOR.sample(100, np.random.default_rng(1))
    single = sum(PRIOR.select([name]).log_prob(theta[:, [i]]) for i, name in enumerate(PRIOR.names))
    np.testing.assert_allclose(PRIOR.log_prob(theta), single, rtol=1e-12)


def test_the_density_is_the_latent_normal_times_its_jacobian() -> None:
    theta = PRIOR.sample(200, np.random.default_rng(2))
    step = 1e-6 * theta
    slope = (PRIOR.to_latent(theta + step) - PRIOR.to_latent(theta - step)) / (2 * step)
    expected = (stats.norm.logpdf(PRIOR.to_latent(theta)) + np.log(slope)).sum(axis=1)
    inside = (np.abs(PRIOR.to_latent(theta)) < 3).all(axis=1)
    assert inside.sum() > 150
    np.testing.assert_allclose(PRIOR.log_prob(theta)[inside], expected[inside], atol=1e-3)


@pytest.mark.parametrize("column", range(4))
@pytest.mark.parametrize("side", ["low", "high", "nan"])
def test_outside_the_bounds_there_is_no_density(column: int, side: str) -> None:
    theta = PRIOR.from_latent(np.zeros((2, 4)))
    width = PRIOR.high - PRIOR.low
    theta[1, column] = {
        "low": PRIOR.low[column] - 1e-6 * width[column],
        "high": PRIOR.high[column] + 1e-6 * width[column],
        "nan": np.nan,
    }[side]
    here, outside = PRIOR.log_prob(theta)
    assert np.isfinite(here)
    assert outside == -np.inf


def test_a_log_scaled_parameter_that_is_not_positive_has_no_density_and_is_no_error() -> None:
    theta = PRIOR.from_latent(np.zeros((2, 4)))
    theta[:, 3] = (-0.01, 0.0)
    assert (PRIOR.log_prob(theta) == -np.inf).all()


@given(st.permutations(PRIOR.names), st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_selecting_gives_the_parameters_in_the_order_asked_for(names: list[str], count: int) -> None:
    chosen = PRIOR.select(names[:count])
    assert chosen.names == tuple(names[:count])
    theta = PRIOR.sample(3, np.random.default_rng(0))
    columns = PRIOR.index(names[:count])
    np.testing.assert_array_equal(chosen.to_latent(theta[:, columns]), PRIOR.to_latent(theta)[:, columns])
    np.testing.assert_array_equal(chosen.low, PRIOR.low[columns])


def test_selecting_takes_any_iterable() -> None:
    assert PRIOR.select(name for name in ("r_v", "log_age")).names == ("r_v", "log_age")


def test_an_unknown_name_is_an_error_that_says_what_there_is() -> None:
    with pytest.raises(InputError, match=r"ebv.*log_age, log_mass, r_v, metallicity"):
        PRIOR.select(["log_age", "ebv"])


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0), (np.nan, 1.0), (0.0, np.nan)])
def test_bounds_that_hold_nothing_are_an_error(low: float, high: float) -> None:
    with pytest.raises(InputError, match="parameter age"):
        Parameter("age", low, high)


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_a_log_scale_needs_positive_bounds(low: float) -> None:
    Parameter("age", low, 1.0)
    with pytest.raises(InputError, match="parameter age: a log scale"):
        Parameter("age", low, 1.0, scale="log")


def test_the_same_generator_gives_the_same_draw() -> None:
    one, two, other = (PRIOR.sample(10, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)
