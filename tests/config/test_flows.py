"""The families that a config may name are those that there are, with the settings that they take."""

import inspect

import pytest

from hpcflow.config import flows
from hpcflow.flow import families


def test_every_family_of_flows_can_be_named() -> None:
    assert set(flows.FAMILIES) == set(families.FAMILIES)


@pytest.mark.parametrize("family", flows.FAMILIES)
def test_a_family_s_settings_are_its_network_s_with_the_same_defaults(family: str) -> None:
    said = flows.FAMILIES[family]().model_dump(exclude={"family"})
    taken = {
        name: parameter.default
        for name, parameter in inspect.signature(families.FAMILIES[family]).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name != "seed"  # which no config sets
    }
    assert {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()} == taken


@pytest.mark.parametrize("section", flows.FAMILIES.values())
def test_a_search_moves_a_family_s_own_settings(section: type[flows.Flow]) -> None:
    assert section.space
    assert set(section.space) <= set(section.model_fields) - {"family"}
