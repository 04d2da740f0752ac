"""What a config says about catalogues is what their readers are told."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from hpcflow.catalogues.read_options import ReadOptions
from hpcflow.config.load import load_config
from hpcflow.stages.input import options_of


def test_the_reader_gets_every_option_of_the_config(tiny: Callable[..., Path]) -> None:
    said: dict[str, Any] = {
        "format": "table",
        "galaxy": "M 51",
        "classes": [1, 2],
        "distances": "legus",
        "distance_mpc": {"M 51": 8.6},
        "distance_error_dex": {"M 51": 0.1},
        "classification": "human",
        "columns": {"ra": "alpha", "F275W": ["flux", "error"]},
        "unit": "AB",
        "check_units": False,
    }
    options = options_of(load_config(tiny(infer=said)))
    computed = {"source", "negative", "may_lack", "model_fluxes"}
    assert {f.name for f in fields(ReadOptions)} == set(said) | computed
    assert {name: getattr(options, name) for name in said} == said


def test_options_of_reading_default_to_the_readers_own(tiny: Callable[..., Path]) -> None:
    config = load_config(tiny())
    assert options_of(config) == ReadOptions(negative=config.observe.noise == "normal", may_lack=True)
    checked = options_of(load_config(tiny(), ["infer.catalogues=[a.fits]"])).model_fluxes
    assert checked is not None
    assert checked.shape[1] == len(config.model.bands)
    unchecked = load_config(tiny(), ["infer.catalogues=[a.fits]", "infer.check_units=false"])
    assert options_of(unchecked).model_fluxes is None
    assert not options_of(load_config(tiny(), ["observe.missing=0"])).may_lack
    lognormal = load_config(tiny(), ["observe={noise: lognormal}"])
    assert not options_of(lognormal).negative
