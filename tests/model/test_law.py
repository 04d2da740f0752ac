import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.stats import kstest

from hpcflow.base.errors import InputError
from hpcflow.model.law import Component, Edge, Factor, Law

Floats = NDArray[np.floating]

LINEAR, LOG = Edge((2.0,)), Edge((5.0,))


def cumulated(factor: Factor, low: float, value: float) -> float:
    """Return the integral of a factor's density from its lower edge to a value."""
    return float(quad(lambda x: math.exp(factor.log_prob({"x": np.array([x])})[0]), low, value, epsabs=1e-11)[0])


@pytest.mark.parametrize("slope", [0.0, -1.0, 1.0, 0.3, 1e-12, -40.0, 40.0])
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_a_density_integrates_to_one_and_draws_follow_it(slope: float, scale: str) -> None:
    factor = Factor("x", LINEAR, LOG, slope, "log" if scale == "log" else "linear")
    uniform = np.linspace(0.01, 0.99, 9)
    drawn = factor.draw(uniform, {})
    assert (np.diff(drawn) > 0).all()
    for place, expected in zip(drawn, uniform, strict=True):
        assert cumulated(factor, 2.0, place) == pytest.approx(expected, abs=2e-7)


def test_a_slope_is_that_of_the_density_in_dex() -> None:
    masses = Factor("log_mass", Edge((2.0,)), Edge((6.0,)), -1.0)
    at = masses.log_prob({"log_mass": np.array([3.0, 4.0])})
    assert at[0] - at[1] == pytest.approx(math.log(10))
    metals = Factor("z", Edge((1e-4,)), Edge((1e-2,)), 1.0, "log")
    at = metals.log_prob({"z": np.array([1e-3, 2e-3])})
    assert at[0] == pytest.approx(at[1])  # in proportion to Z per dex is uniform per unit


def test_an_edge_may_hang_on_an_earlier_parameter() -> None:
    age = Factor("log_age", Edge((6.0,)), Edge((10.0,)))
    dust = Factor("ebv", Edge((0.0,)), Edge((1.5, 0.5), "log_age", (6.0, 8.0)))
    law = Law((Component("all", 1.0, (age, dust)),))
    theta = law.draw(np.random.default_rng(1).random((20_000, 3)))
    most = np.interp(theta[:, 0], [6, 8], [1.5, 0.5])
    assert (theta[:, 1] <= most).all()
    assert kstest(theta[:, 1] / most, "uniform").pvalue > 0.01
    log_p = law.log_prob(dict(zip(law.names, theta.T, strict=True)))
    np.testing.assert_allclose(log_p, -np.log(4 * most), atol=1e-12)


def mixture() -> Law:
    """Return young and dusty, and old and metal-poor objects, three to one."""
    young = (
        Factor("log_age", Edge((6.0,)), Edge((10.0,)), 0.2),
        Factor("ebv", Edge((0.0,)), Edge((1.5, 0.5), "log_age", (6.0, 9.0))),
        Factor("z", Edge((0.008,)), Edge((0.03,)), 0.0, "log"),
    )
    old = (
        Factor("log_age", Edge((9.5,)), Edge((10.0,))),
        Factor("ebv", Edge((0.0,)), Edge((0.1,))),
        Factor("z", Edge((4e-4,)), Edge((0.01,)), 0.5, "log"),
    )
    return Law((Component("young", 3.0, young), Component("old", 1.0, old)))


def test_a_mixture_integrates_to_one() -> None:
    law, rng = mixture(), np.random.default_rng(2)
    unit = rng.random((400_000, 3))
    log_z = math.log(4e-4) + unit[:, 2] * math.log(0.03 / 4e-4)
    known = {"log_age": 6 + 4 * unit[:, 0], "ebv": 1.5 * unit[:, 1], "z": np.exp(log_z)}
    volume = 4 * 1.5 * math.log(0.03 / 4e-4)
    density = np.exp(law.log_prob(known) + log_z) * volume
    assert density.mean() == pytest.approx(1, abs=5 * density.std() / math.sqrt(len(density)))


def test_draws_follow_the_mixture() -> None:
    law = mixture()
    theta = law.draw(np.random.default_rng(3).random((200_000, 4)))
    known = dict(zip(law.names, theta.T, strict=True))
    shares = np.exp(law.log_shares(known) - law.log_prob(known))
    np.testing.assert_allclose(shares.mean(axis=1), [0.75, 0.25], atol=0.004)
    # In a box, the number of draws is the integral of the density.
    low, high = np.array([9.6, 0.02, 0.001]), np.array([9.9, 0.08, 0.02])
    inside = ((theta > low) & (theta < high)).all(axis=1).mean()
    points = low + (high - low) * np.random.default_rng(4).random((200_000, 3))
    expected = np.exp(law.log_prob(dict(zip(law.names, points.T, strict=True)))).mean() * np.prod(high - low)
    assert inside == pytest.approx(expected, rel=0.03)


def test_some_parameters_have_the_law_that_is_left() -> None:
    law = mixture().select(["z", "log_age"])
    theta = law.draw(np.random.default_rng(5).random((1000, 3)))
    assert law.names == ("z", "log_age")
    assert np.isfinite(law.log_prob(dict(zip(law.names, theta.T, strict=True)))).all()
    with pytest.raises(InputError, match="hangs on log_age; infer it, too"):
        mixture().select(["ebv"])


def test_a_parameter_is_free_if_nothing_is_said_of_it() -> None:
    mass = Factor("log_mass", Edge((2.0,)), Edge((8.0,)))
    law = Law(tuple(Component(c.name, c.weight, (*c.factors, mass)) for c in mixture().components))
    assert law.is_free("log_mass", 2.0, 8.0)
    assert not law.is_free("log_mass", 2.0, 9.0)
    assert not any(law.is_free(name, 0.0, 1.0) for name in ("log_age", "ebv", "z"))


@pytest.mark.parametrize(
    ("weight", "factors", "said"),
    [
        (0.0, (Factor("x", LINEAR, LOG),), "weight of one is 0"),
        (math.nan, (Factor("x", LINEAR, LOG),), "weight of one is nan"),
        (1.0, (Factor("x", LOG, LINEAR),), "has no width: low 5 must be below high 2"),
        (1.0, (Factor("x", Edge((0.0,)), LOG, 0.0, "log"),), "positive low"),
        (1.0, (Factor("x", LINEAR, Edge((5.0, 5.0), "y", (0.0, 1.0))), Factor("y", LINEAR, LOG)), "put y first"),
        (1.0, (Factor("y", LINEAR, LOG), Factor("x", LINEAR, Edge((5.0, 1.0), "y", (0.0, 1.0)))), "where y is 1"),
        (1.0, (Factor("y", LINEAR, LOG), Factor("x", LINEAR, Edge((5.0, 6.0), "y", (1.0, 1.0)))), "two points of y"),
    ],
)
def test_what_is_no_density_is_refused(weight: float, factors: tuple[Factor, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Law((Component("one", weight, factors),))


def test_a_mixture_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="no component"):
        Law(())
