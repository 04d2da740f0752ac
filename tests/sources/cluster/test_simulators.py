"""Laws that hold for every simulator in the dict."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from clusters import scale
from hpcflow.base.errors import InputError
from hpcflow.model.simulator import Simulator
from hpcflow.sources.cluster.simulators import SIMULATORS

BANDS = {"U": "WFC3_UVIS.F336W", "V": "WFC3_UVIS.F555W", "I": "WFC3_UVIS.F814W"}
PARAMETERS = {"ssp": ("log_age", "ebv"), "cigale": ("log_age", "ebv")}
PARAMETERS["stochastic"] = ("log_age", "ebv", "log_mass", "realisation")
simulators = pytest.mark.parametrize("name", SIMULATORS)
Built = Callable[..., Simulator]


@pytest.fixture
def built(fake_cigale: dict[str, Any]) -> Built:
    def build(name: str, **changed: object) -> Simulator:
        shared = {"bands": BANDS, "parameters": PARAMETERS[name], "fixed": {"r_v": 3.1, "metallicity": 0.02}}
        own: dict[str, dict[str, object]] = {
            "ssp": {"ssp": "bc03_miles_kroupa", "ages": "continuous", "extinction": "odonnell94"},
            "cigale": {"cigale": fake_cigale},
        }
        own["stochastic"] = own["ssp"] | {"isochrones": "sse"}
        return SIMULATORS[name].build(**shared | own[name] | changed)

    return build


def drawn(name: str, n: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    return rows(name, np.stack([rng.uniform(6.0, 10.1, n), rng.uniform(0.0, 1.5, n)], axis=1))


def rows(name: str, theta: np.ndarray | list[list[float]]) -> np.ndarray:
    """Return rows of a simulator's parameters for ages and reddenings (N, 2): massive clusters, where it has a mass."""
    more = np.broadcast_to([7.0, 0.3], (len(theta), 2))[:, : len(PARAMETERS[name]) - 2]
    return np.concatenate([theta, more], axis=1)


@simulators
def test_it_says_its_parameters_and_bands_and_keeps_to_their_order(name: str, built: Built) -> None:
    simulator = built(name)
    assert simulator.parameters == PARAMETERS[name]
    assert simulator.bands == tuple(BANDS)
    theta = rows(name, [[6.5, 0.0], [8.0, 0.5], [10.0, 1.0]])
    flux = simulator(theta)
    assert flux.shape == (3, 3)
    assert flux.dtype == np.float64
    turned = built(name, bands=dict(reversed(BANDS.items())))
    np.testing.assert_array_equal(turned(theta), flux[:, ::-1])
    columns = built(name, parameters=PARAMETERS[name][::-1])
    np.testing.assert_allclose(columns(theta[:, ::-1]), flux, rtol=1e-12)


@simulators
def test_no_rows_are_no_fluxes(name: str, built: Built) -> None:
    assert built(name)(rows(name, np.empty((0, 2)))).shape == (0, 3)


@simulators
def test_a_failed_row_is_nan_with_a_reason_and_never_an_exception(name: str, built: Built) -> None:
    simulator = built(name)
    theta = rows(name, [[np.nan, 0.1], [7.0, 0.1], [7.0, -0.1], [99.0, 0.1], [-np.inf, 0.1], [7.0, np.inf]])
    np.testing.assert_array_equal(np.isnan(simulator(theta)).all(axis=1), [True, False, True, True, True, True])
    assert sum(simulator.reasons.values()) == 5
    assert all(simulator.reasons)
    simulator(theta[1:2])
    assert not simulator.reasons  # they are of the last call alone


@simulators
def test_rows_know_nothing_of_each_other(name: str, built: Built) -> None:
    theta = drawn(name, 40)
    theta[7] = np.nan
    flux = built(name)(theta)
    order = np.random.default_rng(1).permutation(len(theta))
    np.testing.assert_array_equal(built(name)(theta[order]), flux[order])
    simulator = built(name)
    np.testing.assert_array_equal(np.concatenate([simulator(theta[i : i + 1]) for i in range(40)]), flux)


@simulators
def test_calling_twice_is_calling_once(name: str, built: Built) -> None:
    simulator, theta = built(name), drawn(name, 20)
    np.testing.assert_array_equal(simulator(theta), simulator(theta))


@simulators
def test_fluxes_are_of_one_solar_mass_at_10_pc(name: str, built: Built) -> None:
    flux = built(name)(drawn(name, 10))
    assert (flux > 0).all()
    ten_times_farther = flux * scale(np.full(10, 2.0), np.full(10, 1e-4))[:, None]
    np.testing.assert_allclose(ten_times_farther, flux, rtol=1e-12)  # a hundred times the mass


@simulators
def test_dust_dims_and_reddens(name: str, built: Built) -> None:
    clear, dusty = built(name)(rows(name, [[8.0, 0.0], [8.0, 0.5]]))
    dimming = dusty / clear
    assert (np.diff(dimming) > 0).all()  # U, V, I
    assert (dimming < 1).all()


@simulators
def test_what_it_was_built_from_is_said(name: str, built: Built) -> None:
    one, same = built(name).provenance, built(name).provenance
    assert one == same
    assert one["simulator"] == name
    assert all(isinstance(value, str) for value in one.values())
    assert built(name, fixed={"r_v": 3.1, "metallicity": 0.004}).provenance["ssp_sha256"] != one["ssp_sha256"]
    assert built(name, fixed={"r_v": 2.9, "metallicity": 0.02}).provenance != one


@pytest.mark.parametrize(
    ("name", "wrong", "says"),
    [
        ("ssp", {"ssp": "bc2099"}, "bc2099"),
        ("ssp", {"bands": {"U": "WFC9.F1W"}}, "WFC9.F1W"),
        ("cigale", {"bands": {"W": "WFC9.F1W"}}, "filters lacks W"),
        ("cigale", {"cigale": None}, "model.cigale"),
        ("cigale", {"fixed": {"covering_factor": 0.5}}, "cigale has no covering_factor; its gas is the module nebular"),
        ("cigale", {"parameters": ("log_age", "ebv", "log_u")}, "cigale has no log_u; its gas is the module nebular"),
        *[(name, {"parameters": (*PARAMETERS[name], "colour")}, "colour") for name in SIMULATORS],
        *[(name, {"fixed": {"metallicity": 0.033}}, "0.033") for name in SIMULATORS],
    ],
)
def test_what_it_cannot_use_is_an_input_error(name: str, wrong: dict[str, object], says: str, built: Built) -> None:
    with pytest.raises(InputError, match=says):
        built(name, **wrong)


@simulators
def test_a_setting_that_it_does_not_know_is_an_error(name: str, built: Built) -> None:
    with pytest.raises(TypeError, match="extinktion"):
        built(name, extinktion="ccm89")


@simulators
def test_the_metallicity_chooses_the_table(name: str, built: Built) -> None:
    theta = rows(name, [[8.0, 0.1]])
    solar, poor = (built(name, fixed={"metallicity": z})(theta) for z in (0.02, 0.004))
    assert (solar != poor).all()
    # metal-poor populations are bluer
    assert poor[0, 0] / poor[0, 2] > solar[0, 0] / solar[0, 2]
