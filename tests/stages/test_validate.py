from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from hpcflow.compute.where import Here
from hpcflow.config import load_config
from hpcflow.errors import InputError
from hpcflow.model.observe import Photometry
from hpcflow.posterior.exact import ExactModel
from hpcflow.stages.build import build_likelihood
from hpcflow.stages.init import shipped_configs
from hpcflow.stages.run import Run
from hpcflow.stages.simulate import simulate
from hpcflow.stages.train import train_flow
from hpcflow.stages.validate import validate
from hpcflow.store.findings import describe

VALIDATE = {"n": 200, "samples": 30, "partition": 64, "exact": 30}


def validated(path: Path, run: Path, *sets: str) -> xr.Dataset:
    config = load_config(path, list(sets))
    simulate(config, Run(run), Here(1))
    train_flow(config, Run(run), 1)
    validate(config, Run(run), Here(2))
    return xr.open_zarr(Run(run).validation).load()


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory, write_config: Callable[..., Path]) -> xr.Dataset:
    folder = tmp_path_factory.mktemp("validate")
    return validated(write_config(folder, validate=VALIDATE), folder / "run")


def test_as_many_as_asked_for_are_compared_all_over(record: xr.Dataset) -> None:
    compared = np.isfinite(record["log_p"].values)
    assert compared.sum() == VALIDATE["exact"]
    assert all(compared[start : start + 50].any() for start in range(0, 200, 50))
    assert (np.isfinite(record["gap"].values).all(axis=1) == compared).all()


def test_the_gap_is_the_exact_densitys_excess(record: xr.Dataset) -> None:
    here = record.isel(simulation=np.flatnonzero(np.isfinite(record["log_p"].values)))
    np.testing.assert_allclose(here["gap"].sum("parameter"), here["log_p"] - here["log_q"], atol=1e-4)
    assert here["gap"].attrs["order"] == ["log_age", "ebv", "log_mass"]
    # twenty steps teach it little: the exact posterior knows more
    assert here["gap"].sum("parameter").mean() > 1
    assert (record["bands"] >= 2).all()
    assert ((record["error"] > 0.01) & (record["error"] < 2)).all()


def test_the_number_of_partitions_changes_who_is_compared_but_not_what_is_found(
    record: xr.Dataset, tmp_path: Path, write_config: Callable[..., Path]
) -> None:
    # observations are drawn by the partition, so only their statistics can agree
    other = validated(write_config(tmp_path, validate={**VALIDATE, "partition": 100}), tmp_path / "run")
    assert np.isfinite(other["log_p"].values).sum() == VALIDATE["exact"]
    both = [float(ds["gap"].sum("parameter").where(np.isfinite(ds["log_p"])).mean()) for ds in (record, other)]
    assert abs(both[0] - both[1]) < 2


def test_models_that_are_not_tractable_are_validated_without_and_say_so(
    tmp_path: Path, write_config: Callable[..., Path]
) -> None:
    path = write_config(tmp_path, validate=VALIDATE)
    free = ["model.parameters.r_v={low: 2, high: 5}", "model.fixed={metallicity: 0.02}"]
    record = validated(path, tmp_path / "run", *free)
    assert np.isnan(record["log_p"].values).all()
    assert np.isfinite(record["log_q"].values).all()
    assert any("two parameters" in line for line in describe(Run(tmp_path / "run").validation))


def test_a_slow_simulator_is_not_asked_for_a_million_models() -> None:
    config = load_config(shipped_configs()["cigale"])
    with pytest.raises(InputError, match="ssp alone"):
        build_likelihood(config)


def test_a_prior_that_the_table_does_not_reach_is_validated_without(
    tmp_path: Path, write_config: Callable[..., Path]
) -> None:
    path = write_config(tmp_path, validate=VALIDATE)
    record = validated(path, tmp_path / "run", "model.parameters.log_age={low: 6, high: 10.5}")
    assert np.isnan(record["log_p"].values).all()
    assert any("narrow the bounds" in line for line in describe(Run(tmp_path / "run").validation))


def test_none_may_be_asked_for(tmp_path: Path, write_config: Callable[..., Path]) -> None:
    record = validated(write_config(tmp_path, validate={**VALIDATE, "exact": 0}), tmp_path / "run")
    assert np.isnan(record["log_p"].values).all()


def test_the_density_of_many_is_that_of_each(tmp_path: Path, write_config: Callable[..., Path]) -> None:
    config = load_config(write_config(tmp_path))
    model = ExactModel(build_likelihood(config))
    rng = np.random.default_rng(1)
    theta = model.likelihood.prior.sample(3, rng)
    flux = model.likelihood.simulator(theta[:, model.likelihood.columns])
    sigma = 0.1 * flux * (10 ** theta[:, 1] * 1e-12)[:, None]
    photometry = Photometry(sigma / 0.1, sigma, np.ones_like(sigma, dtype=bool), np.full(3, 10.0))
    found = model.log_prob(theta, photometry)
    assert np.isfinite(found).all()
    for i in range(3):
        one = Photometry(*(a[i : i + 1] for a in photometry))
        assert model.posterior(one).log_prob(theta[i : i + 1])[0] == found[i]
