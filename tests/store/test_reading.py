"""Archives of schema 3 are read in the terms of this version."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from hpcflow.base.errors import InputError
from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.known import known_variables
from hpcflow.model.prior import Parameter
from hpcflow.sources.cluster.parameters import SCALE
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.damage import checksum
from hpcflow.store.reading import open_archive
from hpcflow.store.schema import EARLIER, known_names
from hpcflow.store.summary import summarise, units

PARAMETERS = (Parameter("log_age", 6, 10, "dex(yr)"), Parameter("log_mass", 2, 8), Parameter("ebv", 0, 1.5, "mag"))
N, SAMPLES = 70, 400


def catalogue() -> Catalogue:
    return Catalogue(
        galaxy=np.full(N, "a"),
        cluster_id=np.arange(N).astype(str),
        ra=np.zeros(N),
        dec=np.zeros(N),
        distance=np.ones(N),
        cluster_class=np.ones(N, np.int64),
        bands=("U", "V"),
        flux=np.ones((N, 2)),
        sigma=np.ones((N, 2)),
        reason=np.zeros((N, 2), np.uint8),
    )


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Write an archive with the names of schema 3, whose flow is off by 0.5 in every parameter."""
    archive = PosteriorArchive.create(
        tmp_path / "old.zarr",
        known=known_variables(catalogue(), 0.05, PARAMETERS),
        bands=("U", "V"),
        samples=SAMPLES,
        modes=1,
        parameters=PARAMETERS,
        attrs={},
        weighted=True,
        given=SCALE.given,
    )
    rng = np.random.default_rng(1)
    theta = np.array([8.0, 5.0, 0.7]) + 0.1 * rng.standard_normal((N, SAMPLES, 3))
    log_weight = -((theta[..., 0] - 8.1) ** 2) / 0.01  # half of the flow's width
    log_weight[3] = -np.inf
    for p in archive.partitions:
        rows = slice(p.start, p.stop)
        archive.write(
            p,
            {
                "theta": theta[rows],
                "theta_flow": theta[rows],
                "log_q": log_weight[rows],
                "log_weight": log_weight[rows],
                "quantile": np.full((len(p), 3, 3), 2.0),
                "quantile_flow": np.full((len(p), 3, 3), 1.0),
                "map": theta[rows, 0],
                "entropy_flow": np.full(len(p), 5.0),
            },
        )
    group = zarr.open_group(archive.path, mode="r+", use_consolidated=False)
    group["theta_flow"].attrs["units"] = "log_age: dex(yr), log_mass: 1, ebv: mag"  # instead of a coordinate
    del group["parameter_unit"]
    names = {"quantile_flow": "quantile", "mean_flow": "mean", "std_flow": "std"}
    for name in ("theta", "covariance", "entropy", "log_bayes", "effective", "map_flow", "prior_edge"):
        del group[name]
    for new in ("quantile", "mean", "std"):
        (archive.path / new).rename(archive.path / f"weighted_{new}")
    for new, before in (names | {f"{n}_flow": n for n in ("theta", "covariance", "entropy")}).items():
        (archive.path / new).rename(archive.path / before)
    group.attrs["schema"] = EARLIER
    del group.attrs["seal"]  # which they did not have
    group.attrs["known_checksum"] = checksum(*(archive.read(name) for name in known_names(["distance"])))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        zarr.consolidate_metadata(group.store)
    renamed = PosteriorArchive.open(archive.path, reading=True)
    group["checksum"][:] = [checksum(*(renamed.read(name, p) for name in renamed.written)) for p in renamed.partitions]
    return archive.path


def test_values_of_weighted_samples_come_first(old: Path) -> None:
    found = open_archive(old)
    assert (found["quantile"] == 2).all()
    assert (found["quantile_flow"] == 1).all()
    assert (found["entropy_flow"] == 5).all()
    assert not [name for name in found.variables if str(name).startswith("weighted")]


def test_theta_is_drawn_by_the_weights(old: Path) -> None:
    found = open_archive(old)
    age, own = (found[name].isel(parameter=0).values for name in ("theta", "theta_flow"))
    weighted = np.delete(age, 3, axis=0)
    assert weighted.mean() == pytest.approx(8.067, abs=0.005)
    assert weighted.std(axis=1).mean() == pytest.approx(0.0577, abs=0.004)
    np.testing.assert_array_equal(age[3], own[3])  # without weights, the flow's own
    assert units(found) == {"log_age": "dex(yr)", "log_mass": "", "ebv": "mag"}


def test_it_can_be_summarised_but_not_written_to(old: Path) -> None:
    small = summarise(open_archive(old))
    assert small["theta"].shape[0] == N
    with pytest.raises(InputError, match=f"holds {EARLIER}"):
        PosteriorArchive.open(old)
    assert len(PosteriorArchive.open(old, reading=True).partitions)


def test_another_schema_is_refused(old: Path) -> None:
    zarr.open_group(old, mode="r+").attrs["schema"] = "hpcflow-posteriors/1"
    with pytest.raises(InputError, match="holds hpcflow-posteriors/1"):
        open_archive(old)


def test_an_archive_of_this_version_is_read_without_dask(tmp_path: Path) -> None:
    path = tmp_path / "new.zarr"
    PosteriorArchive.create(
        path,
        known=known_variables(catalogue(), 0.05, PARAMETERS),
        bands=("U", "V"),
        samples=4,
        modes=1,
        parameters=PARAMETERS,
        attrs={},
        given=SCALE.given,
    )
    found = open_archive(path)
    assert isinstance(found, xr.Dataset)
    assert found["theta"].chunks is None
