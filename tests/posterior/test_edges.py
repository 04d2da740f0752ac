import numpy as np
import pytest

from hpcflow.model.error_law import ErrorLaw
from hpcflow.model.prior import Parameter, Prior
from hpcflow.posterior.edges import error_edges, prior_edges
from hpcflow.store.flags import Flag

PRIOR = Prior((Parameter("log_age", 6, 10), Parameter("log_mass", 2, 8), Parameter("ebv", 0, 1.5)))
LAW = ErrorLaw(0.03, 0.5)


@pytest.mark.parametrize(
    ("ebv", "edge"), [((0.0, 0.02), -1), ((0.0, 0.08), 0), ((0.0, 0.05), -1), ((1.48, 1.5), 1), ((0.5, 0.6), 0)]
)
def test_a_posterior_next_to_a_bound_is_pressed_against_it(ebv: tuple[float, float], edge: int) -> None:
    rng = np.random.default_rng(1)
    theta = np.column_stack([rng.uniform(7, 8, 1000), rng.uniform(4, 5, 1000), rng.uniform(*ebv, 1000)])
    assert prior_edges(theta, PRIOR).tolist() == [0, 0, edge]


@pytest.mark.parametrize(
    ("errors", "flag"),
    [
        ((0.46, 0.5), Flag.LARGEST_ERROR_EDGE),
        ((0.2, 0.5), Flag(0)),
        ((0.030, 0.032), Flag.SMALLEST_ERROR_EDGE),
        ((0.03, 0.06), Flag(0)),
    ],
)
def test_errors_at_an_end_of_their_range_are_flagged(errors: tuple[float, float], flag: Flag) -> None:
    sigma, rng = np.array([1.0, 2.0, np.nan]), np.random.default_rng(2)
    true = np.column_stack([1 / rng.uniform(0.1, 0.2, 1000), 2 / rng.uniform(*errors, 1000), np.ones(1000)])
    assert error_edges(true, sigma, np.array([True, True, False]), LAW) == flag


def test_a_band_with_noise_that_training_does_not_allow_is_pressed_against_its_largest_error() -> None:
    # An error of 120 % of the flux under a law of at most 50 %: the model must be at least twice the error.
    true = np.random.default_rng(3).uniform(2.0, 2.1, (1000, 1))
    assert error_edges(true, np.array([1.0]), np.array([True]), LAW) == Flag.LARGEST_ERROR_EDGE
