"""What is usually asked of posteriors, in a word each, is what their archive says."""

import sys

import numpy as np
import pytest
import xarray as xr

import hpcflow
from hpcflow.stages.posteriors_of import Posteriors
from hpcflow.stages.run import Run
from hpcflow.store.flags import Flag
from hpcflow.store.reading import open_archive


@pytest.fixture(scope="module")
def archive(inferred: Run) -> xr.Dataset:
    return open_archive(inferred.posteriors).load()


@pytest.fixture(scope="module")
def post(archive: xr.Dataset) -> Posteriors:
    return Posteriors(archive.isel(cluster=np.isfinite(archive["map"].values).all(axis=1)))


def test_words_are_those_of_the_archive(post: Posteriors) -> None:
    there = post.dataset
    for mine, name in ((post.samples, "theta"), (post.proposals, "theta_flow"), (post.log_prob, "log_q"),
                       (post.modes, "mode"), (post.evidence, "log_evidence")):  # fmt: skip
        xr.testing.assert_identical(mine, there[name])
    for k, level in enumerate((0.16, 0.5, 0.84)):
        np.testing.assert_array_equal(post.quantile(level).values, there["quantile"].values[:, k])
    np.testing.assert_allclose(post.quantile(0.3).values, np.quantile(there["theta"].values, 0.3, axis=1))
    assert set(post.predictive().data_vars) == {
        "predictive_mean", "predictive_quantile", "predictive_rank", "predictive_p", "map_flux", "chi2_map"
    }  # fmt: skip
    with pytest.raises(hpcflow.InputError, match=r"the quantile 16 is none; give a number from 0 to 1"):
        post.quantile(16)


def test_weights_are_the_archives_and_sum_to_one(post: Posteriors) -> None:
    log_weight, weights = post.dataset["log_weight"].values, post.weights.values
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    inside = np.isfinite(log_weight) & (weights > 0)
    change = np.log(weights, where=inside, out=np.zeros_like(weights)) - np.where(inside, log_weight, 0)
    assert all(np.ptp(own[here]) < 1e-6 for own, here in zip(change, inside, strict=True))


def test_one_of_several_has_no_axis_of_objects(post: Posteriors) -> None:
    one = post[2]
    assert (len(post) > 2, len(one)) == (True, 1)
    xr.testing.assert_identical(one.dataset, post.dataset.isel(cluster=2))
    assert one.flags == post.flags[2]
    assert one.quantile(0.5).dims == ("parameter",)
    assert repr(one) == "<hpcflow: posteriors of log_age, log_mass, ebv of 1 objects>"


def test_where_nothing_has_weights_all_are_alike_and_there_is_no_evidence(post: Posteriors) -> None:
    without = post.dataset.drop_vars(["log_weight", "theta_flow", "log_evidence"])
    bare = Posteriors(without.assign_attrs(log_weight="none: slow"))
    np.testing.assert_allclose(bare.weights.values, 1 / bare.samples.sizes["sample"])
    xr.testing.assert_identical(bare.proposals, bare.samples)
    with pytest.raises(hpcflow.InputError, match=r"no evidence, as there are no weights \(none: slow\)"):
        _ = bare.evidence


def test_a_corner_is_the_projects_own_figure(post: Posteriors) -> None:
    assert len([axis for axis in post.corner(1).axes if axis.get_visible()]) == 6
    assert len(post[0].corner().axes) == 9
    nowhere = post.dataset["map"].where(np.arange(len(post))[:, None] != 2)
    lost = post.dataset.assign(map=nowhere, flag=post.dataset["flag"] | int(Flag.TOO_FEW_BANDS))
    with pytest.raises(hpcflow.InputError, match=r"object 2 has no posterior to draw: .*too_few_bands"):
        Posteriors(lost).corner(2)


def test_arviz_gets_all_samples_in_random_order(post: Posteriors) -> None:
    pytest.importorskip("arviz_base")
    tree = post.to_arviz()
    assert {name: tree["posterior"].sizes[name] for name in ("chain", "draw")} == {"chain": 1, "draw": 50}
    for d, name in enumerate(post.dataset["parameter"].values.tolist()):
        drawn = tree["posterior"][name].values[0]
        np.testing.assert_array_equal(np.sort(drawn, axis=0), np.sort(post.samples.values[..., d].T, axis=0))
    assert (np.diff(tree["posterior"]["log_age"].values[0], axis=0) < 0).any()
    np.testing.assert_array_equal(tree["observed_data"]["flux"].values, post.dataset["flux"].values)
    assert post[0].to_arviz()["posterior"]["ebv"].dims == ("chain", "draw")


def test_without_arviz_that_is_said(post: Posteriors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "arviz_base", None)
    with pytest.raises(hpcflow.InputError, match=r"to_arviz needs ArviZ; install it with `pip install"):
        post.to_arviz()
