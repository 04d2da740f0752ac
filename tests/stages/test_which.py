"""A run of exact posteriors: no library, no flow, and everything else as with one."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from hpcflow.base.errors import InputError
from hpcflow.compute.where import InProcess
from hpcflow.config.load import Config, load_config, with_values
from hpcflow.stages.build import build_survey_simulator
from hpcflow.stages.infer import infer
from hpcflow.stages.look.samples import samples
from hpcflow.stages.look.status import status
from hpcflow.stages.mock import make_mock
from hpcflow.stages.report import make_report
from hpcflow.stages.run import Run
from hpcflow.store.flags import Flag


@pytest.fixture
def config(tmp_path: Path, tiny: Callable[..., Path]) -> Config:
    found = load_config(tiny(), [f"infer.catalogues=[{tmp_path / 'mock.fits'}]"])
    make_mock(build_survey_simulator(found), found.model.bands, 30, 2, tmp_path)
    return found


def test_without_a_flow_posteriors_are_exact(config: Config, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    infer(config, run, InProcess())
    assert not run.simulations.exists()
    with xr.open_zarr(run.posteriors) as ds:
        have = np.isfinite(ds["map"].values).all(axis=1)
        assert have.sum() > 20
        assert ds.attrs["posterior"] == "exact"
        assert not {"theta_flow", "log_weight", "refined", "mode_log_p"} & set(ds.data_vars)
        assert (ds["efficiency"].values[have] > 0.5).all()
        assert np.isfinite(ds["log_evidence"].values[have]).all()
        assert not (ds["flag"].values[have] & int(Flag.LOW_EFFICIENCY)).any()
        row = int(np.flatnonzero(have)[0])
        key = str(ds["cluster_id"].values[row]), str(ds["galaxy"].values[row])
        again = samples(run.path, *key)
        weight = np.exp(again["log_weight"] - again["log_weight"].max())
        mean = np.average(again["log_age"], weights=weight)
        assert mean == pytest.approx(float(ds["mean"].values[row, 0]), abs=1e-3)
    assert [stage.stage for stage in status(run)] == ["infer", "report"]
    make_report(run.path)
    assert status(run)[-1].finished


def test_it_goes_on_as_exact_though_a_flow_comes_later(config: Config, tmp_path: Path, inferred: Run) -> None:
    run = Run(tmp_path / "run")
    infer(config, run, InProcess())
    before = {path: path.read_bytes() for path in run.posteriors.rglob("*") if path.is_file()}
    shutil.copytree(inferred.flow, run.flow)
    infer(config, run, InProcess())
    assert {path: path.read_bytes() for path in run.posteriors.rglob("*") if path.is_file()} == before


def test_the_bytes_do_not_depend_on_workers_or_partitions(config: Config, tmp_path: Path) -> None:
    one, two = Run(tmp_path / "one"), Run(tmp_path / "two")
    infer(config, one, InProcess())
    infer(with_values(config, {"infer.partition": 7}), two, InProcess())
    with xr.open_zarr(one.posteriors) as first, xr.open_zarr(two.posteriors) as second:
        for name in ("theta", "log_q", "map", "quantile", "log_evidence", "predictive_p", "flag"):
            np.testing.assert_array_equal(first[name].values, second[name].values, err_msg=name)


def test_what_has_no_exact_posterior_says_why(tiny: Callable[..., Path], tmp_path: Path) -> None:
    sets = ["infer.posterior=exact", "model.parameters.r_v={low: 2, high: 6}", "model.fixed={metallicity: 0.02}"]
    config = load_config(tiny(), sets)
    with pytest.raises(InputError, match=r"exact posteriors need two parameters .* r_v"):
        infer(config, Run(tmp_path / "run"), InProcess())
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="uses no flow"):
        load_config(tiny(), ["infer.posterior=exact", "infer.flow=other"])
    with pytest.raises(InputError, match="needs weights: true"):
        load_config(tiny(), ["infer.posterior=exact", "infer.weights=false"])
