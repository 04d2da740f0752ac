import numpy as np
import pytest

from hpcflow.errors import InputError
from hpcflow.model.simulator import SIMULATORS, Simulator

BANDS = {"U": "WFC3_UVIS.F336W", "V": "WFC3_UVIS.F555W", "I": "WFC3_UVIS.F814W"}
PARAMETERS = ("log_age", "ebv")
simulators = pytest.mark.parametrize("name", SIMULATORS)


def built(name: str, **changed: object) -> Simulator:
    options: dict[str, object] = {
        "ssp": "bc03_miles_kroupa",
        "bands": BANDS,
        "parameters": PARAMETERS,
        "fixed": {"r_v": 3.1, "metallicity": 0.02},
        "ages": "continuous",
        "extinction": "odonnell94",
    }
    return SIMULATORS[name](**options | changed)


@simulators
def test_it_says_its_parameters_and_bands_and_keeps_to_their_order(name: str) -> None:
    simulator = built(name)
    assert simulator.parameters == PARAMETERS
    assert simulator.bands == tuple(BANDS)
    theta = np.array([[6.5, 0.0], [8.0, 0.5], [10.0, 1.0]])
    flux = simulator(theta)
    assert flux.shape == (3, 3)
    turned = built(name, bands=dict(reversed(BANDS.items())))
    np.testing.assert_array_equal(turned(theta), flux[:, ::-1])


@simulators
def test_a_failed_row_is_nan_and_never_an_exception(name: str) -> None:
    theta = np.array([[np.nan, 0.1], [7.0, 0.1], [7.0, -0.1], [99.0, 0.1]])
    np.testing.assert_array_equal(np.isnan(built(name)(theta)).all(axis=1), [True, False, True, True])


@simulators
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"ssp": "bc2099"}, "bc2099"),
        ({"bands": {"U": "WFC9.F1W"}}, "WFC9.F1W"),
        ({"parameters": ("log_age", "ebv", "colour")}, "colour"),
        ({"fixed": {"metallicity": 0.033}}, "0.033"),
    ],
)
def test_what_it_cannot_use_is_an_input_error(name: str, wrong: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        built(name, **wrong)


@simulators
def test_the_metallicity_chooses_the_table(name: str) -> None:
    theta = np.array([[8.0, 0.1]])
    solar, poor = (built(name, fixed={"metallicity": z})(theta) for z in (0.02, 0.004))
    assert (solar != poor).all()
    # metal-poor populations are bluer
    assert poor[0, 0] / poor[0, 2] > solar[0, 0] / solar[0, 2]
