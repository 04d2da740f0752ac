"""A simulator in another process: the same numbers, and what happens when that process dies."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcflow.base.errors import InputError
from hpcflow.sources.cluster import simulators
from hpcflow.sources.cluster.simulators import build_cigale
from hpcflow.sources.elsewhere import SimulatorElsewhere

BANDS = {"U": "", "V": "", "I": ""}
Make = Callable[..., Any]


@pytest.fixture
def make(fake_cigale: dict[str, Any]) -> Iterator[Make]:
    made: list[SimulatorElsewhere] = []

    def build(
        columns: tuple[str, ...] = ("log_age", "ebv"), chain: Any = None, python: str | None = sys.executable
    ) -> Any:
        simulator = build_cigale(
            bands=BANDS,
            parameters=columns,
            fixed={"metallicity": 0.02},
            cigale=fake_cigale | (chain or {}),
            python=python,
        )
        if isinstance(simulator, SimulatorElsewhere):
            made.append(simulator)
        return simulator

    yield build
    for simulator in made:
        simulator.close()


@pytest.fixture
def poisoned(make: Make, fake_cigale: dict[str, Any]) -> Make:
    def build(once: str = "") -> Any:
        return make(
            ("log_age", "ebv", "dose"),
            {
                "modules": ["sfh2exp", "bc03", "dustext", "poison"],
                "parameters": fake_cigale["parameters"] | {"dose": "poison.dose"},
                "fixed": fake_cigale["fixed"] | ({"poison": {"once": once}} if once else {}),
            },
        )

    return build


def drawn(n: int) -> np.ndarray:
    rng = np.random.default_rng(5)
    return np.stack([rng.uniform(6.0, 9.0, n), rng.uniform(0.0, 1.5, n)], axis=1)


def test_it_is_the_simulator_that_it_speaks_to(make: Make) -> None:
    here, there = make(python=None), make()
    assert (there.parameters, there.bands, there.provenance) == (here.parameters, here.bands, here.provenance)
    theta = drawn(150)
    theta[[3, 70]] = [[np.nan, 0.1], [7.0, -1.0]]
    np.testing.assert_array_equal(there(theta), here(theta))
    assert there.reasons == here.reasons == {"log_age is out of range": 1, "ebv is out of range": 1}
    assert there(theta[:0]).shape == (0, 3)


def test_a_row_that_kills_is_nan_and_the_others_are_not_lost(poisoned: Make) -> None:
    theta = np.column_stack([drawn(200), np.zeros(200)])
    whole = poisoned()(theta)
    theta[[20, 150], 2] = 3.0
    theta[21, 2] = 1.5
    simulator = poisoned()
    flux = simulator(theta)
    bad = np.isin(np.arange(200), [20, 21, 150])
    assert np.isnan(flux[bad]).all()
    np.testing.assert_array_equal(flux[~bad], whole[~bad])
    assert simulator.reasons == {
        "it ended the simulator's process (Segmentation fault; exit 11)": 2,
        "ValueError: too strong a dose": 1,
    }
    np.testing.assert_array_equal(simulator(theta[~bad]), whole[~bad])  # it goes on


def test_a_death_that_is_no_rows_fault_loses_nothing(poisoned: Make, tmp_path: Path) -> None:
    theta = np.column_stack([drawn(100), np.zeros(100)])
    whole = poisoned()(theta)
    simulator = poisoned(once=str(tmp_path / "die"))
    (tmp_path / "die").touch()
    np.testing.assert_array_equal(simulator(theta), whole)
    assert not (tmp_path / "die").exists()
    assert not simulator.reasons


def test_a_child_killed_between_two_calls_is_replaced(make: Make) -> None:
    simulator = make()
    theta = drawn(10)
    flux = simulator(theta)
    os.kill(simulator.child.pid, 9)
    np.testing.assert_array_equal(simulator(theta), flux)


def test_a_child_that_hangs_is_given_up(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulators, "CHILD", replace(simulators.CHILD, patience_s=5.0))
    simulator = make()
    theta = drawn(10)
    flux = simulator(theta)
    os.kill(simulator.child.pid, 19)  # stopped, not dead
    np.testing.assert_array_equal(simulator(theta), flux)


def test_children_that_do_nothing_but_die_are_not_restarted_for_ever(
    poisoned: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulators, "CHILD", replace(simulators.CHILD, deaths=3))
    with pytest.raises(RuntimeError, match="died 5 times on 30 rows"):
        poisoned()(np.column_stack([drawn(30), np.full(30, 3.0)]))


@pytest.mark.parametrize("python", ["no/such/python", os.devnull, "/bin/true", "/bin/echo"])
def test_a_python_that_is_none_is_an_input_error(make: Make, python: str) -> None:
    with pytest.raises(InputError, match=r"simulate\.python"):
        make(python=python)


def test_a_python_without_pcigale_is_an_input_error(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH")
    with pytest.raises(InputError, match="cannot import"):
        make()


def test_what_cigale_refuses_is_said_here(make: Make) -> None:
    with pytest.raises(InputError, match="no module bc2099"):
        make(chain={"modules": ["sfh2exp", "bc2099", "dustext"]})


def test_children_end_with_their_simulator(make: Make) -> None:
    simulator = make()
    child = simulator.child
    simulator.close()
    assert child.poll() == 0
