import numpy as np
import pytest
import xarray as xr

from hpcflow.stages.look.folder import RunFolder
from hpcflow.store import summary


def test_few_samples_are_kept_and_ranks_use_all(
    run: RunFolder, archive: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert archive.sizes["sample"] == summary.KEPT
    whole = run.posteriors["theta"].values
    published = archive["published"].values
    expected = (whole < published[:, None]).mean(axis=1)
    fitted = summary.has_posterior(archive)
    np.testing.assert_allclose(archive["published_rank"].values[fitted], expected[fitted], atol=1e-6)
    monkeypatch.setattr(summary, "VALUES", 1)  # sixteen clusters at a time
    again = summary.summarise(run.posteriors)
    np.testing.assert_array_equal(again["theta"].values, archive["theta"].values)
    np.testing.assert_array_equal(again["published_rank"].values, archive["published_rank"].values)


def test_clusters_without_a_posterior_are_recognised(archive: xr.Dataset) -> None:
    assert np.flatnonzero(~summary.has_posterior(archive)).tolist() == [7]


def test_units_come_from_the_archive(archive: xr.Dataset) -> None:
    assert summary.units(archive) == {"log_age": "dex(yr)", "log_mass": "dex(M_sun)", "ebv": "mag"}
