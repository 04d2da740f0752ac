from collections.abc import Callable
from pathlib import Path

import pytest

from hpcflow.config.flows import FAMILIES
from hpcflow.config.load import load_config, with_values
from hpcflow.stages.search.space import space_of


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_s_space_is_taken_where_none_is_named_and_can_be_named(family: str, tiny: Callable[..., Path]) -> None:
    config = load_config(tiny(train={"flow": {"family": family}}))
    space = space_of(config)
    assert {f"train.flow.{name}" for name in config.train.flow.space} < set(space)
    plain = {key: axis.model_dump() for key, axis in space.items()}
    assert space_of(with_values(config, {"search.space": plain})) == space
    for key, axis in space.items():
        assert len(axis.corners) >= 2, key


def test_a_named_space_is_taken(tiny: Callable[..., Path]) -> None:
    config = load_config(tiny(search={"space": {"train.batch": {"choices": [32, 64]}}}))
    assert list(space_of(config)) == ["train.batch"]
