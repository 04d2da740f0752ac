"""Fluxes of objects in the sky: simulated from the right columns, and scaled."""

from collections import Counter

import numpy as np
import pytest

from hpcflow.base.errors import InputError
from hpcflow.model.forward import Forward
from hpcflow.model.scale import Given, Scale
from hpcflow.sources.cluster.parameters import SCALE


class Tilted:
    """Fluxes that tell from which columns they come."""

    bands, provenance, reasons = ("A", "B"), dict[str, str](), Counter[str]()

    def __init__(self, *parameters: str) -> None:
        self.parameters = parameters

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        return np.stack([theta[:, 0], theta[:, 0] + 10 * theta[:, 1]], axis=1)


def test_fluxes_scale_by_mass_and_distance_and_come_from_the_right_columns() -> None:
    theta = np.array([[0.5, 3.0, 7.0], [0.1, 4.0, 8.0]])
    forward = Forward(Tilted("log_age", "ebv"), ("ebv", "log_mass", "log_age"), SCALE)
    expected = np.array([[7.0, 12.0], [8.0, 9.0]]) * np.array([[1e3], [1e4]]) / 4
    np.testing.assert_allclose(forward(theta, np.array([[2e-5]])), expected)
    np.testing.assert_allclose(forward(theta, np.full((2, 1), 2e-5)), expected)


def test_what_is_given_may_be_simulated_and_there_need_not_be_a_scale() -> None:
    scale = Scale(given=(Given("redshift", 0, 1, simulated=True),))
    forward = Forward(Tilted("redshift", "x"), ("x",), scale)
    found = forward(np.array([[1.0], [2.0]]), np.array([[0.5], [0.25]]))
    np.testing.assert_allclose(found, [[0.5, 10.5], [0.25, 20.25]])


def test_a_parameter_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InputError, match="the simulator needs x, which is not inferred"):
        Forward(Tilted("log_age", "x"), ("log_age", "log_mass"), SCALE)
