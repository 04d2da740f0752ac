from collections.abc import Callable
from pathlib import Path

import pytest

from hpcflow.config.load import load_config, with_values
from hpcflow.flow.families import FAMILIES
from hpcflow.stages.search.space import SPACES, space_of


def test_every_family_has_a_space() -> None:
    assert set(SPACES) == set(FAMILIES)


@pytest.mark.parametrize("family", SPACES)
def test_a_family_s_space_is_taken_where_none_is_named_and_can_be_named(family: str, tiny: Callable[..., Path]) -> None:
    config = load_config(tiny(train={"flow": {"family": family}}))
    space = space_of(config)
    assert space == SPACES[family]
    plain = {key: axis.model_dump() for key, axis in space.items()}
    assert space_of(with_values(config, {"search.space": plain})) == space
    for key, axis in space.items():
        assert len(axis.corners) >= 2, key


def test_a_named_space_is_taken(tiny: Callable[..., Path]) -> None:
    config = load_config(tiny(search={"space": {"train.batch": {"choices": [32, 64]}}}))
    assert list(space_of(config)) == ["train.batch"]
