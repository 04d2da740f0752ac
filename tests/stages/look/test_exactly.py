from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from hpcflow.config.load import load_config
from hpcflow.stages.look.exactly import exact_posteriors, trained_errors
from hpcflow.stages.run import Run


def test_errors_are_those_training_draws(tiny: Callable[..., Path]) -> None:
    observe = {"noise": "lognormal", "relative_error": [0.1, 0.3], "missing": 0.1}
    config: dict[str, Any] = load_config(tiny(observe=observe)).plain()
    errors = trained_errors(config)
    assert errors is not None and np.isfinite(errors).all()
    assert 0.18 < np.median(errors) < 0.23
    assert np.quantile(errors, 0.001) > 0.05 and np.quantile(errors, 0.999) < 0.8
    listed = trained_errors(load_config(tiny(observe={"relative_error": [0.1, 0.3], "undetected": 0.05})).plain())
    assert listed is not None and listed.min() >= 0.1
    assert 0.01 < (listed > 0.3).mean() < 0.05  # bands below zero can be well above their error
    assert trained_errors({"name": "of another version"}) is None


def test_exact_posteriors_are_of_the_rows_asked_for_and_always_the_same(inferred: Run) -> None:
    config, archive = inferred.config().plain(), xr.open_zarr(inferred.posteriors).load()
    found, why = exact_posteriors(config, archive, [7, 3, 7], modes=1)
    assert list(found) == [3, 7] and why == ""
    assert found[3].samples.shape == (4000, 3) and found[3].modes.shape == (1, 3)
    again, _ = exact_posteriors(config, archive, [3])
    np.testing.assert_array_equal(again[3].samples, found[3].samples)
    assert again[3].modes.shape == (0, 3)


def test_the_reason_for_no_posterior_is_returned(inferred: Run, tiny: Callable[..., Path]) -> None:
    archive = xr.open_zarr(inferred.posteriors).load()
    assert exact_posteriors({}, archive, [1]) == ({}, "name is missing; add it")
    assert exact_posteriors(inferred.config().plain(), archive, []) == ({}, "there is no cluster to show")
    dark = archive.assign(sigma=archive["sigma"] * 1e9)
    config = load_config(tiny(observe={"noise": "lognormal"})).plain()
    assert exact_posteriors(config, dark, [1])[1].startswith("the errors of the photometry")
