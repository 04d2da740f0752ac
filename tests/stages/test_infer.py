"""What inference does of its own accord where the likelihood can be written down, and where it cannot."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from hpcflow.compute.where import Here
from hpcflow.config import load_config
from hpcflow.errors import InputError
from hpcflow.stages import infer, simulate
from hpcflow.stages.build import build_survey_simulator
from hpcflow.stages.mock import make_mock
from hpcflow.stages.run import Run
from hpcflow.stages.train import train_flow

WEIGHTED = ("log_weight", "log_evidence", "efficiency", "weighted_quantile", "weighted_mean", "mode_log_p", "refined")


def test_where_the_likelihood_is_tractable_samples_have_weights(inferred: Run) -> None:
    ds = xr.open_zarr(inferred.posteriors).load()
    assert set(WEIGHTED) <= set(ds.data_vars)
    assert ds.attrs["polish"] == "exact"
    assert not ds.attrs["log_weight"].startswith("none")
    have = np.isfinite(ds["map"].values).all(axis=1)
    assert have.any()
    assert ((ds["efficiency"].values[have] >= 0) & (ds["efficiency"].values[have] <= 1)).all()
    np.testing.assert_array_equal(np.isnan(ds["mode_log_p"].values), np.isnan(ds["mode_share"].values))
    assert np.isfinite(ds["mode_log_p"].values[have, 0]).any()


def test_errors_without_a_range_have_no_density_so_no_weights_are_invented(
    tmp_path: Path, tiny: Callable[..., Path], here: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for stage in (simulate, infer):
        monkeypatch.setattr(stage, "run_missing", here)
    path = tiny(observe={"relative_error": [0.1, 0.1], "missing": 0.1})
    sets = [f"infer.catalogues=[{tmp_path / 'mock.fits'}]"]
    config, run = load_config(path, sets), Run(tmp_path / "run")
    make_mock(build_survey_simulator(config), config.model.bands, 20, 2, tmp_path)
    simulate.simulate(config, run, Here(1))
    train_flow(config, run, 1)
    with pytest.raises(InputError, match=r"infer\.polish: exact.*auto, flow or none"):
        infer.infer(load_config(path, [*sets, "infer.polish=exact"]), run, Here(1))
    assert not run.posteriors.exists()
    infer.infer(config, run, Here(1))
    with xr.open_zarr(run.posteriors) as ds:
        assert not set(WEIGHTED) & set(ds.data_vars)
        assert ds.attrs["log_weight"].startswith("none: ")
        assert "no width" in ds.attrs["log_weight"]
        assert ds.attrs["polish"] == "none"
        assert np.isfinite(ds["map"].values).any()


@pytest.mark.parametrize("key", ["refine=true", "polish=exact"])
def test_what_needs_the_exact_density_is_refused_without_weights(tiny: Callable[..., Path], key: str) -> None:
    with pytest.raises(InputError, match="needs weights: true"):
        load_config(tiny(), [f"infer.{key}", "infer.weights=false"])
