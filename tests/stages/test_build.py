"""A config's simulator gets the settings that are its own, and no other's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hpcflow.config.load import load_config, with_values
from hpcflow.sources.cluster.simulators import SIMULATORS
from hpcflow.sources.own.own import OWN
from hpcflow.stages.build import SETTINGS, build_simulator


def test_every_simulator_that_a_config_may_name_is_there_with_its_settings() -> None:
    assert {*SIMULATORS, OWN} == set(SETTINGS)


@pytest.mark.parametrize("name", SIMULATORS)
def test_every_simulator_is_built_from_a_config(
    name: str, tiny: Callable[..., Path], fake_cigale: dict[str, Any]
) -> None:
    bands = dict(zip(fake_cigale["filters"], ("WFC3_UVIS.F336W", "WFC3_UVIS.F555W", "WFC3_UVIS.F814W"), strict=True))
    config = load_config(tiny())
    chosen = {"model.simulator": name, "model.cigale": fake_cigale, "model.bands": bands}
    simulator = build_simulator(with_values(config, chosen))
    assert simulator.provenance["simulator"] == name
    assert simulator.bands == tuple(bands)
