import numpy as np
import pytest
import xarray as xr

from hpcflow.calibration.agreement import (
    clusters_against_published,
    groups,
    multimodal,
    published_table,
    truth_table,
    uv_lost,
)
from hpcflow.figures.recovery import recovery_by_group


def test_groups_are_all_those_with_and_without_bands_sets_and_galaxies(archive: xr.Dataset) -> None:
    found = {(of, name): rows for of, name, rows in groups(archive)}
    assert found["all", "all"].sum() == 39
    assert found["bands", "some missing"].sum() == 1
    assert found["bands", "none missing"].sum() == 38
    assert found["band set", "F275W+F438W+F814W"].sum() == 39
    assert found["galaxy", "NGC0628C"].sum() == 19
    assert not any(rows[7] for rows in found.values())  # it has no posterior


def test_only_modes_apart_in_age_make_a_posterior_multimodal(archive: xr.Dataset) -> None:
    assert np.flatnonzero(multimodal(archive)).tolist() == [5]
    near = archive.copy(deep=True)
    near["mode"][5, 1, 0] = near["map"][5, 0] + 0.1
    assert not multimodal(near).any()
    thin = archive.copy(deep=True)
    thin["mode_share"][5, 1] = 0.01
    assert not multimodal(thin).any()


def test_ultraviolet_errors_are_those_of_the_near_ultraviolet(archive: xr.Dataset) -> None:
    worse = archive.copy(deep=True)
    worse["sigma"][2, 0], worse["sigma"][4, 2] = worse["flux"][2, 0], worse["flux"][4, 2]
    assert np.flatnonzero(uv_lost(worse)).tolist() == [2]


def test_columns_against_published_values(archive: xr.Dataset) -> None:
    table = published_table(archive)
    (row,) = table[(table["group"] == "all") & (table["parameter"] == "log_age")]
    assert row["clusters"] == 39
    assert row["bias"] == pytest.approx(-0.1, abs=1e-5)
    assert row["spread"] == pytest.approx(0, abs=1e-5)
    assert row["close"] == row["close_best"] == row["ours_inside"] == 1
    assert row["inside_68"] < row["inside_95"] <= row["inside_997"]
    assert row["widths"] == pytest.approx(0.5, rel=1e-4)
    assert row["chi2_published"] == 1.5
    wrong = archive.copy(deep=True)
    wrong["map"][:, 0] -= 0.15
    table = published_table(wrong)
    (row,) = table[(table["group"] == "all") & (table["parameter"] == "log_age")]
    assert row["ours_inside"] == 0
    assert np.isnan(table["ours_inside"][table["parameter"] == "ebv"]).all()


def test_every_cluster_is_compared_one_by_one(archive: xr.Dataset) -> None:
    table = clusters_against_published(archive)
    assert len(table) == 39
    np.testing.assert_allclose(table["log_age_deviation"], -0.5, rtol=1e-4)
    assert table["multimodal"].sum() == 1


def test_a_map_at_the_truth_recovers_it(archive: xr.Dataset, truth: np.ndarray) -> None:
    table = truth_table(archive, truth)
    row = table[0]
    assert (row["clusters"], row["close"], row["catastrophic"]) == (39, 1, 0)
    assert np.isnan(row["marked"])
    assert row["log_age_bias"] == pytest.approx(0, abs=1e-6)
    wrong = archive.copy(deep=True)
    wrong["map"][[5, 6], 0] += 1.5
    row = truth_table(wrong, truth)[0]
    assert row["catastrophic"] == pytest.approx(2 / 39)
    assert row["catastrophic_best"] == 0  # their modes are still the truth
    assert row["marked"] == 1  # and far from that MAP
    assert len(recovery_by_group(archive, truth).axes) == 3
