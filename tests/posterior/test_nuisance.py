"""Values of nuisance parameters that go with an object's samples are those that suit its photometry."""

import numpy as np
import pytest

from hpcflow.model.forward import Forward
from hpcflow.model.observe import Observer, Photometry
from hpcflow.model.prior import Parameter, Prior
from hpcflow.model.scale import Scale
from hpcflow.posterior.likelihood import FluxLikelihood
from hpcflow.posterior.nuisance import CHOICES, Nuisance

ERROR = 0.02
N = 2000


class Tilt:
    """Fluxes that grow with a parameter, and from band to band with a nuisance."""

    parameters, bands, provenance, reasons = ("level", "tilt"), ("U", "V", "I"), {}, {}

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        return np.exp(theta[:, [0]] + theta[:, [1]] * np.array([-1.0, 0.0, 1.0]))


def drawn(choices: int) -> np.ndarray:
    """Return the tilts (1 + N,) that are chosen for an object whose tilt is 0.3, given the right level."""
    observer = Observer(Scale(), "normal", (0.01, 0.5))
    forward = Forward(Tilt(), ["level", "tilt"], observer.scale)  # type: ignore[arg-type]
    nuisance = Nuisance(Prior((Parameter("tilt", -1, 1),)), forward, FluxLikelihood(observer), choices)
    flux = Tilt()(np.array([[0.0, 0.3]]))
    one = Photometry(flux, ERROR * flux, np.ones((1, 3), dtype=bool), np.empty((1, 0)))
    found = nuisance.fluxes(np.zeros((1 + N, 1)), np.empty((1 + N, 0)), one, np.random.default_rng(1))
    return np.log(found[:, 2] / found[:, 0]) / 2


@pytest.mark.parametrize("choices", [CHOICES, 256])
def test_the_more_compete_the_better_the_chosen_suit(choices: int) -> None:
    away = np.abs(drawn(choices) - 0.3)
    assert away[0] < 4 / choices  # the best of all
    if choices == 256:
        np.testing.assert_allclose(np.sqrt(np.mean(away[1:] ** 2)), ERROR / np.sqrt(2), rtol=0.15)
    else:
        assert np.sqrt(np.mean(away[1:] ** 2)) > 2 * ERROR  # few of 16 come within the errors
