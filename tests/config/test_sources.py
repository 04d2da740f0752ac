"""What a config must have, and what it may leave out, according to its kind of source."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hpcflow.base.errors import InputError
from hpcflow.config.load import dump_yaml, load_config, parse_config
from hpcflow.stages.build import build_nuisance, build_prior, build_scale, build_simulated, source_of

BANDS = {"V": "WFC3_UVIS.F555W", "I": "WFC3_UVIS.F814W"}
OWN: dict[str, Any] = {
    "name": "mine",
    "source": "own",
    "model": {
        "simulator": "mine.py:Mine",
        "bands": {"a": "", "b": ""},
        "parameters": {"size": {"low": 0, "high": 1}, "tilt": {"low": 0, "high": 1}, "x": {"low": 0, "high": 1}},
        "scale": "size",
        "given": {"redshift": {"low": 0.1, "high": 1, "simulated": True}},
    },
}


def own(**model: Any) -> dict[str, Any]:
    return {**OWN, "model": {**OWN["model"], **model}}


def test_a_kind_has_default_priors_and_fixed_values() -> None:
    config = parse_config(
        {
            "name": "a",
            "model": {"bands": BANDS, "parameters": {"log_age": {}, "log_mass": None, "ebv": {"unit": "mag"}}},
        }
    )
    assert (config.source, config.model.simulator) == ("cluster", "ssp")
    assert config.model.fixed == {"r_v": 3.1, "metallicity": 0.02}
    prior = build_prior(config)
    assert [(p.low, p.high) for p in prior.parameters] == [(6.0, 10.1383), (2.0, 8.0), (0.0, 1.5)]
    freed = parse_config(
        {"name": "a", "model": {"bands": BANDS, "parameters": {"log_age": {}, "log_mass": {}, "ebv": {}, "r_v": {}}}}
    )
    assert freed.model.fixed == {"metallicity": 0.02}


def test_gas_is_in_a_config_only_if_it_is_named() -> None:
    named = {"log_age": {}, "log_mass": {}, "ebv": {}, "covering_factor": {"nuisance": True}}
    config = parse_config({"name": "a", "model": {"bands": BANDS, "parameters": {**named, "log_u": None}}})
    assert config.model.fixed == {"r_v": 3.1, "metallicity": 0.02}
    nuisance = build_nuisance(config)
    assert nuisance is not None
    assert [(p.name, p.low, p.high) for p in nuisance.parameters] == [("covering_factor", 0.0, 1.0)]
    assert [(p.low, p.high) for p in build_prior(config).parameters][3:] == [(-4.0, -1.0)]


def test_a_kind_of_ones_own_is_what_the_config_describes() -> None:
    config = parse_config(
        own(parameters={**OWN["model"]["parameters"], "tilt": {"low": 0, "high": 1, "nuisance": True}})
    )
    assert source_of(config).leading == "x"
    assert build_prior(config).names == ("size", "x")
    assert build_simulated(config).names == ("tilt", "x", "redshift")
    nuisance = build_nuisance(config)
    assert nuisance is not None
    assert nuisance.names == ("tilt",)
    assert (build_scale(config).parameter, build_scale(config).simulated) == ("size", [0])


def test_the_file_of_a_simulator_lies_beside_the_config(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(dump_yaml(OWN))
    assert load_config(tmp_path / "mine.yaml").model.simulator == f"{tmp_path.resolve()}/mine.py:Mine"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({**OWN, "source": ["cluster"]}, "source: input should be a valid string"),
        ({**OWN, "source": "starz"}, "source starz is unknown; choose one of cluster, own"),
        (own(simulator="mine.py"), "model.simulator mine.py must be FILE.py:CLASS"),
        (own(scale="mass"), "model.scale mass is not among model.parameters"),
        (own(given={"x": {"low": 0, "high": 1, "simulated": True}}), "x is in both model.parameters and model.given"),
        (own(given={"z": {"low": 0, "high": 1}}), "fluxes do not depend on it; set simulated: true"),
        (own(given={"z": {"low": 0, "high": 1, "falls": 2}}), "raise low above 0"),
        (own(given={"z": {"low": 1, "high": 1, "falls": 2}}), "low = 1 must be below high = 1"),
        (
            own(parameters={"size": {"low": 0, "high": 1, "nuisance": True}, "x": {"low": 0, "high": 1}}),
            "model.parameters.size cannot be a nuisance",
        ),
    ],
)
def test_what_makes_no_source_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says.replace(".", r"\.")):
        parse_config(wrong)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("model.given", {"z": {"low": 1, "high": 2, "falls": 1}}, "those of source: own, not of cluster"),
        ("model.simulator", "bc03", "model.simulator bc03 is unknown; choose one of ssp, cigale, stochastic"),
        ("observe.given", {"redshift": [0, 1]}, "redshift, which is not given of star clusters"),
        ("model.parameters.log_mass.nuisance", True, "log_mass cannot be a nuisance"),
    ],
)
def test_clusters_stay_clusters(tiny: Callable[..., Path], key: str, value: Any, says: str) -> None:
    path = tiny()
    with pytest.raises(InputError, match=says):
        load_config(path, [f"{key}={json.dumps(value)}"])


def test_which_stars_a_cluster_has_is_a_parameter_that_nobody_need_name(tiny: Callable[..., Path]) -> None:
    config = load_config(tiny(), ["model.simulator=stochastic"])
    assert config.model.parameters["realisation"].nuisance
    assert build_prior(config).names == ("log_age", "log_mass", "ebv")
    assert build_nuisance(config).names == ("realisation",)  # type: ignore[union-attr]
    assert build_simulated(config).names == ("log_age", "log_mass", "ebv", "realisation")
    assert parse_config(config.plain()) == config  # as a run's folder keeps it
    assert "realisation" not in load_config(tiny()).model.parameters


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("model.parameters.realisation", {"low": 0, "high": 1}, "belongs to simulator stochastic; remove it"),
        ("model.parameters.realisation", {"low": 0, "high": 0.5, "nuisance": True}, "simulator stochastic; remove it"),
        ("model.fixed", {"r_v": 3.1, "realisation": 0.5}, "realisation is in both parameters and fixed"),
    ],
)
def test_which_stars_a_cluster_has_cannot_be_chosen(tiny: Callable[..., Path], key: str, value: Any, says: str) -> None:
    path = tiny()
    with pytest.raises(InputError, match=says):
        load_config(path, ["model.simulator=stochastic", f"{key}={json.dumps(value)}"])
