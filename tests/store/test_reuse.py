"""Clusters of an older archive are reused, unchanged, if their photometry is the same."""

from pathlib import Path

import numpy as np
import pytest

from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.known import known_variables
from hpcflow.model.prior import Parameter
from hpcflow.sources.cluster.parameters import SCALE
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.reuse import SAME, Reuse

PARAMETERS = (Parameter("log_age", 6, 10.1383), Parameter("log_mass", 2, 8), Parameter("ebv", 0, 1.5))
N = 7


@pytest.fixture
def archive(tmp_path: Path) -> PosteriorArchive:
    """Return an archive of seven clusters in three partitions, of which the last is unfinished."""
    flux = np.random.default_rng(1).random((N, 2))
    flux[2, 1] = np.nan
    catalogue = Catalogue(
        galaxy=np.array(["A"] * 4 + ["B"] * 3),
        cluster_id=np.array([str(i) for i in (0, 1, 2, 3, 0, 1, 2)]),
        ra=np.zeros(N),
        dec=np.zeros(N),
        distance=np.full(N, 10.0),
        cluster_class=np.ones(N, dtype=np.int64),
        bands=("V", "I"),
        flux=flux,
        sigma=flux / 10,
        reason=np.where(np.isnan(flux), 1, 0).astype(np.uint8),
    )
    made = PosteriorArchive.create(
        tmp_path / "p.zarr",
        known=known_variables(catalogue, 0.05, PARAMETERS),
        bands=catalogue.bands,
        partition=3,
        samples=10,
        modes=2,
        parameters=PARAMETERS,
        attrs={},
        given=SCALE.given,
    )
    for p in made.partitions[:2]:
        theta = 6 + np.random.default_rng(p.index).random((len(p), 10, 3))
        made.write(p, {"theta": theta, "log_q": theta[..., 0], "chi2_map": np.arange(p.start, p.stop, dtype=float)})
    return made


def rows(archive: PosteriorArchive, which: list[int]) -> dict[str, np.ndarray]:
    return {name: archive.read(name)[which] for name in ("galaxy", "cluster_id", "distance", "distance_error", *SAME)}


def test_finished_clusters_are_found_in_any_order_and_others_are_not(archive: PosteriorArchive) -> None:
    found = Reuse(archive).find(rows(archive, [5, 0, 6, 2]))
    assert found.tolist() == [5, 0, -1, 2]  # a band of NaN counts as unchanged
    stranger = rows(archive, [0, 4])
    stranger["galaxy"] = np.array(["C", "B"], dtype=object)
    assert Reuse(archive).find(stranger).tolist() == [-1, 4]


@pytest.mark.parametrize("name", ["flux", "sigma", "distance", "distance_error", "reason"])
def test_a_cluster_with_changed_photometry_is_new(archive: PosteriorArchive, name: str) -> None:
    changed = rows(archive, [0, 1])
    values = changed[name].copy()
    values[1] = values[1] + 1
    assert Reuse(archive).find({**changed, name: values}).tolist() == [0, -1]


def test_what_is_read_is_what_was_written(archive: PosteriorArchive) -> None:
    read = Reuse(archive).read(np.array([4, 1]))
    assert set(read) == set(archive.written)
    for name, values in read.items():
        np.testing.assert_array_equal(values, archive.read(name)[[4, 1]], err_msg=name)
    assert read["chi2_map"].tolist() == [4.0, 1.0]
