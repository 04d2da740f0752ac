"""Reweighted samples against posteriors under the new prior that are known in closed form."""

import math

import numpy as np
import pytest
from scipy.stats import norm, truncnorm

from hpcflow.model.law import Component, Edge, Factor, Law
from hpcflow.model.prior import Parameter, Prior
from hpcflow.posterior.reweighting import reweighted, share_outside

BOUND, CENTRE, DRAWN = 8.0, 0.3, 200_000
PARAMETER = Parameter("x", -BOUND, BOUND)
WIDE = Prior((PARAMETER,))
LEVELS = (0.16, 0.5, 0.84)


def prior_between(low: float, high: float, slope: float = 0.0) -> Prior:
    """Return a prior in proportion to 10^(slope x) between two edges."""
    return Prior((PARAMETER,), Law((Component("only", 1, (Factor("x", Edge((low,)), Edge((high,)), slope),)),)))


@pytest.fixture
def theta() -> np.ndarray:
    """Return samples of the posterior of a Gaussian likelihood of width one under the wide box."""
    return np.random.default_rng(7).normal(CENTRE, 1, (DRAWN, 1))


def test_a_slope_moves_a_gaussian_by_its_rate(theta: np.ndarray) -> None:
    rate = 0.2 * math.log(10)
    found = reweighted(theta, np.zeros(DRAWN), WIDE, prior_between(-BOUND, BOUND, 0.2), LEVELS)
    norm_of_slope = 2 * math.sinh(BOUND * rate) / rate
    ratio = math.log(2 * BOUND / norm_of_slope) + rate * CENTRE + rate**2 / 2
    np.testing.assert_allclose(found.summary["quantile"][:, 0], norm.ppf(LEVELS, CENTRE + rate), atol=0.015)
    np.testing.assert_allclose(found.summary["std"], 1, atol=0.01)
    assert found.log_evidence_ratio == pytest.approx(ratio, abs=0.01)
    assert found.effective / DRAWN == pytest.approx(math.exp(-(rate**2)), abs=0.01)


def test_a_narrower_box_cuts_a_gaussian(theta: np.ndarray) -> None:
    found = reweighted(theta, np.zeros(DRAWN), WIDE, prior_between(0, 2), LEVELS)
    exact = truncnorm(-CENTRE, 2 - CENTRE, CENTRE)
    inside = norm.cdf(2, CENTRE) - norm.cdf(0, CENTRE)
    np.testing.assert_allclose(found.summary["quantile"][:, 0], exact.ppf(LEVELS), atol=0.01)
    assert found.log_evidence_ratio == pytest.approx(math.log(inside * BOUND), abs=0.01)
    assert found.effective / DRAWN == pytest.approx(inside, abs=0.01)


def test_archived_weights_count() -> None:
    flow = np.random.default_rng(8).normal(0, 1.5, (DRAWN, 1))
    weight = norm.logpdf(flow[:, 0], CENTRE) - norm.logpdf(flow[:, 0], 0, 1.5)
    found = reweighted(flow, weight, WIDE, prior_between(0, 2), LEVELS)
    np.testing.assert_allclose(
        found.summary["quantile"][:, 0], truncnorm(-CENTRE, 2 - CENTRE, CENTRE).ppf(LEVELS), atol=0.01
    )


def test_the_same_prior_changes_nothing(theta: np.ndarray) -> None:
    found = reweighted(theta, np.zeros(DRAWN), WIDE, WIDE, LEVELS)
    assert found.effective == pytest.approx(DRAWN)
    assert found.log_evidence_ratio == pytest.approx(0, abs=1e-9)


def test_a_prior_without_any_sample_has_no_summary(theta: np.ndarray) -> None:
    found = reweighted(theta, np.zeros(DRAWN), WIDE, prior_between(7, 8), LEVELS)
    assert (found.effective, found.log_evidence_ratio, found.summary) == (0.0, -math.inf, {})


def test_the_share_of_a_wider_prior_outside() -> None:
    assert share_outside(WIDE, prior_between(-2, 2)) == pytest.approx(0.75, abs=0.01)
    assert share_outside(prior_between(-2, 2), WIDE) == 0
