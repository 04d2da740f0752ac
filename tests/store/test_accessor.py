"""`hpcflow.open`, and the archive as astronomers ask it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import hpcflow
from hpcflow.base.errors import InputError
from hpcflow.store.flags import Flag
from made_run import CLUSTERS, FAILED, make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("made") / "run", ("posteriors",))


def test_a_run_and_its_archive_open_alike(run: Path) -> None:
    one, other = hpcflow.open(run), hpcflow.open(str(run / "posteriors.zarr"))
    xr.testing.assert_identical(one.load(), other.load())
    with pytest.raises(InputError, match="nowhere does not exist"):
        hpcflow.open(run.parent / "nowhere")
    with pytest.raises(AttributeError, match="no attribute 'close'"):
        hpcflow.close  # noqa: B018


def test_one_cluster_is_chosen_by_its_names(run: Path) -> None:
    ds = hpcflow.open(run)
    galaxy, cluster_id = (str(ds[name].values[3]) for name in ("galaxy", "cluster_id"))
    one = ds.hpcflow.cluster(cluster_id, galaxy)
    np.testing.assert_array_equal(one["theta"].values, ds["theta"].values[3])
    with pytest.raises(InputError, match="of clusters 999 there is none"):
        ds.hpcflow.cluster(999)
    twice = xr.concat([ds.isel(cluster=[3]).load(), ds.isel(cluster=[3]).load()], "cluster", data_vars="minimal")
    with pytest.raises(InputError, match="there is one in each of"):
        twice.hpcflow.cluster(cluster_id)


def test_flags_are_said_in_words_and_choose(run: Path) -> None:
    ds = hpcflow.open(run)
    words, value = ds.hpcflow.flags(), ds["flag"].values
    assert len(words) == CLUSTERS
    assert all(len(said) == int(v).bit_count() for said, v in zip(words, value, strict=True))
    assert words[FAILED]["too_few_bands"].startswith("fewer than two usable bands")
    have = ds.hpcflow.with_posterior()
    assert 0 < have.sizes["cluster"] < CLUSTERS
    fewer = ds.hpcflow.with_posterior("not_detected")
    assert 0 < fewer.sizes["cluster"] < have.sizes["cluster"]
    assert not (fewer["flag"].values & int(Flag.NOT_DETECTED)).any()
    with pytest.raises(InputError, match="bad_fit is no flag"):
        ds.hpcflow.with_posterior("bad_fit")


def test_draws_are_samples_of_each_cluster_in_no_order(run: Path) -> None:
    have = hpcflow.open(run).hpcflow.with_posterior()
    drawn = have.hpcflow.drawn(200, seed=1)
    assert drawn.dims == ("draw", "cluster", "parameter")
    theta = have["theta"].values
    for k in (0, 5):
        assert set(drawn.values[:, k, 0]) <= set(theta[k, :, 0])
        assert abs(drawn.values[:, k, 0].mean() - theta[k, :, 0].mean()) < theta[k, :, 0].std() / 3
    correlation = np.corrcoef(drawn.values[:, 0, 0], drawn.values[:, 5, 0])[0, 1]
    assert abs(correlation) < 0.3
    np.testing.assert_array_equal(drawn.values, have.hpcflow.drawn(200, seed=1).values)


def test_importing_hpcflow_is_quick() -> None:
    code = "import sys, hpcflow; assert not {'xarray', 'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
