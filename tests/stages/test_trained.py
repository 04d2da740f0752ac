"""What a flow need not learn depends on the config, and what cannot be computed is refused where it is insisted on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hpcflow.base.errors import InputError
from hpcflow.config.load import load_config
from hpcflow.stages.trained import untrained_flow

LOGNORMAL = ("observe.noise=lognormal", "train.features=absolute")
NUISANCE = "model.parameters.r_v={low: 2, high: 5, nuisance: true}"
STARS = "model.simulator=stochastic"


@pytest.mark.parametrize(
    ("sets", "learned"),
    [
        ((), ("log_age", "ebv")),
        (("train.scale=exact",), ("log_age", "ebv")),
        (("train.scale=learned",), ("log_age", "log_mass", "ebv")),
        (LOGNORMAL, ("log_age", "log_mass", "ebv")),
        ((NUISANCE,), ("log_age", "log_mass", "ebv")),
        ((STARS,), ("log_age", "log_mass", "ebv")),
    ],
)
def test_the_mass_is_learned_where_it_is_not_known(
    tiny: Callable[..., Path], sets: tuple[str, ...], learned: tuple[str, ...]
) -> None:
    estimator = untrained_flow(load_config(tiny(), sets))
    assert estimator.learned.prior.names == learned
    assert estimator.flow.prior.names == ("log_age", "log_mass", "ebv")


@pytest.mark.parametrize("sets", [LOGNORMAL, (NUISANCE,), (STARS,)])
def test_insisting_is_refused_where_it_is_not_known(tiny: Callable[..., Path], sets: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="set it to learned"):
        untrained_flow(load_config(tiny(), (*sets, "train.scale=exact")))
