"""The archive: photometry from the start, samples packed within the prior, and a description of every variable."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.known import known_variables
from hpcflow.model.prior import Parameter
from hpcflow.sources.cluster.parameters import SCALE
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.damage import DamagedError
from hpcflow.store.flags import Flag, Reason

PARAMETERS = (
    Parameter("log_age", 6, 10.1383, "dex(yr)"),
    Parameter("log_mass", 2, 8, "dex(solMass)"),
    Parameter("ebv", 0, 1.5, "mag"),
)


@pytest.fixture
def catalogue() -> Catalogue:
    n = 7
    flux = np.full((n, 2), 1e-4)
    flux[2, 1] = np.nan
    return Catalogue(
        galaxy=np.array(["NGC1566"] * n),
        cluster_id=np.array([str(i) for i in range(n)]),
        ra=np.linspace(64, 65, n),
        dec=np.linspace(-55, -54, n),
        distance=np.full(n, 17.69),
        cluster_class=np.ones(n, dtype=np.int64),
        bands=("F555W", "F814W"),
        flux=flux,
        sigma=np.where(np.isnan(flux), np.nan, 1e-6),
        reason=np.where(np.isnan(flux), Reason.NO_COVERAGE, Reason.OK).astype(np.uint8),
        published={"log_age": np.arange(n, dtype=float)},
    )


def create(path: Path, catalogue: Catalogue, weighted: bool = False) -> PosteriorArchive:
    return PosteriorArchive.create(
        path,
        known=known_variables(catalogue, 0.05, PARAMETERS),
        bands=catalogue.bands,
        partition=3,
        samples=40,
        modes=2,
        parameters=PARAMETERS,
        attrs={"seed": 1},
        weighted=weighted,
        given=SCALE.given,
    )


@pytest.fixture
def archive(tmp_path: Path, catalogue: Catalogue) -> PosteriorArchive:
    return create(tmp_path / "p.zarr", catalogue)


def test_photometry_is_stored_before_any_posterior(archive: PosteriorArchive, catalogue: Catalogue) -> None:
    ds = archive.dataset()
    assert ds["cluster_id"].values.tolist() == catalogue.cluster_id.tolist()
    np.testing.assert_array_equal(ds["flux"].values, catalogue.flux)
    expected = np.sqrt(1e-6**2 + (0.05 * 1e-4) ** 2)
    np.testing.assert_allclose(ds["sigma"].values[0], expected)
    assert ds["observed"].values.tolist() == catalogue.observed.tolist()
    assert ds["published"].values[3, 0] == 3
    assert np.isnan(ds["theta"].values).all()
    assert np.isnan(ds["map"].values).all()


def by_age(values: np.ndarray, theta: np.ndarray) -> np.ndarray:
    order = np.argsort(theta[..., 0], axis=1, kind="stable")
    return np.take_along_axis(values, order[..., None] if values.ndim == 3 else order, axis=1)


def test_packed_samples_stay_in_bounds_and_close(archive: PosteriorArchive) -> None:
    rng = np.random.default_rng(0)
    low, high = (np.array([getattr(p, side) for p in PARAMETERS]) for side in ("low", "high"))
    theta = rng.uniform(low, high, (3, 40, 3))
    theta[0, 0], theta[0, 1] = low, high
    theta[1] = np.nan
    archive.write(archive.partitions[0], {"theta": theta})
    back = xr.open_zarr(archive.path)["theta"].values[:3]
    assert np.isnan(back[1]).all()
    assert (back[[0, 2]] >= low - 1e-12).all()
    assert (back[[0, 2]] <= high + 1e-12).all()
    # A step is the width of all bounds over 65 534; a value next to a bound may be off by a whole step.
    assert np.abs(back - by_age(theta, theta))[[0, 2]].max() <= 10.1383 / 65534
    assert [p.index for p in archive.missing()] == [1, 2]


def test_a_sample_keeps_its_density_and_weight(tmp_path: Path, catalogue: Catalogue) -> None:
    archive = create(tmp_path / "weighted.zarr", catalogue, weighted=True)
    rng = np.random.default_rng(1)
    theta = rng.uniform((6, 2, 0), (10, 8, 1.5), (3, 40, 3))
    log_q, log_weight = rng.normal(0, 30, (3, 40)), rng.normal(100, 3, (3, 40))
    log_weight[0, 0], log_q[0, 1], log_q[1], log_weight[1], theta[1] = -np.inf, 9e4, np.nan, np.nan, np.nan
    archive.write(
        archive.partitions[0],
        {"theta": theta, "theta_flow": theta, "log_q": log_q, "log_weight": log_weight},
    )
    ds = archive.dataset().isel(cluster=slice(0, 3))
    for name, values in (("log_q", log_q), ("log_weight", log_weight)):
        expected = by_age(values, theta)
        found = ds[name].values
        assert np.isnan(found[1]).all()
        finite = np.isfinite(expected)
        assert np.abs(found - expected)[finite].max() <= 1 / 256, name
    weight = np.exp(ds["log_weight"].values[0])
    assert (weight == 0).sum() == 1
    np.testing.assert_allclose(weight, np.exp(by_age(log_weight, theta)[0]), rtol=0.005)


def test_samples_may_come_in_any_order(tmp_path: Path, catalogue: Catalogue) -> None:
    rng = np.random.default_rng(2)
    theta, log_q = rng.uniform((6, 2, 0), (10, 8, 1.5), (3, 40, 3)), rng.normal(size=(3, 40))
    stored = []
    for name, order in (("one", np.arange(40)), ("other", rng.permutation(40))):
        archive = create(tmp_path / name, catalogue)
        archive.write(archive.partitions[0], {"theta": theta[:, order], "log_q": log_q[:, order]})
        stored.append([archive.read(v, archive.partitions[0]) for v in ("theta", "log_q")])
    for one, other in zip(*stored, strict=True):
        np.testing.assert_array_equal(one, other)


def test_absent_variables_are_empty(archive: PosteriorArchive) -> None:
    archive.write(archive.partitions[0], {"theta": np.full((3, 40, 3), np.nan)})
    ds = archive.dataset().isel(cluster=slice(0, 3))
    assert all(np.isnan(ds[name].values).all() for name in ("theta", "log_q", "map", "predictive_p"))
    archive.check(archive.partitions[0])


@pytest.mark.parametrize("harm", ["cut", "flip", "gone"])
@pytest.mark.parametrize("name", ["theta", "log_q", "flag", "map"])
def test_damage_to_a_finished_partition_is_noticed(archive: PosteriorArchive, harm: str, name: str) -> None:
    theta = np.random.default_rng(0).uniform((6, 2, 0), (10, 8, 1.5), (3, 40, 3))
    for p in archive.partitions[:2]:
        archive.write(p, {"theta": theta, "log_q": theta[..., 0], "map": theta[:, 0], "flag": np.array([1, 0, 9])})
    for p in archive.partitions[:2]:
        archive.check(p)
    file = (
        next(f for f in (archive.path / name / "c" / "1").rglob("*") if f.is_file())
        if (archive.path / name / "c" / "1").is_dir()
        else archive.path / name / "c" / "1"
    )
    content = bytearray(file.read_bytes())
    if harm == "gone":
        file.unlink()
    elif harm == "cut":
        file.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 0x10
        file.write_bytes(content)
    archive.check(archive.partitions[0])
    with pytest.raises(DamagedError):
        archive.check(archive.partitions[1])
    archive.forget(archive.partitions[1])
    assert [p.index for p in archive.missing()] == [1, 2]


def test_weights_are_stored_only_if_the_likelihood_is_tractable(
    tmp_path: Path, catalogue: Catalogue, archive: PosteriorArchive
) -> None:
    weighted = create(tmp_path / "weighted.zarr", catalogue, weighted=True).dataset()
    assert set(weighted.variables) - set(archive.dataset().variables) == {
        "log_weight",
        "log_evidence",
        "log_bayes",
        "efficiency",
        "effective",
        "mode_log_p",
        "refined",
        "theta_flow",
        *(f"{name}_flow" for name in ("map", "quantile", "mean", "std", "covariance", "entropy")),
    }
    assert weighted["refined"].attrs["flag_meanings"] == "none more_samples exact_grid unweighted"
    assert weighted["log_weight"].dims == ("cluster", "sample")


@pytest.mark.parametrize("weighted", [False, True])
def test_every_variable_has_a_description(tmp_path: Path, catalogue: Catalogue, weighted: bool) -> None:
    ds = create(tmp_path / "described.zarr", catalogue, weighted).dataset()
    for name in set(ds.variables) - {"parameter", "band"}:
        assert ds[name].attrs.get("long_name"), name
    masks, meanings = ds["flag"].attrs["flag_masks"], ds["flag"].attrs["flag_meanings"].split()
    assert dict(zip(meanings, masks, strict=True)) == {str(f.name).lower(): int(f) for f in Flag}
    values, reasons = ds["reason"].attrs["flag_values"], ds["reason"].attrs["flag_meanings"].split()
    assert dict(zip(reasons, values, strict=True)) == {r.name.lower(): int(r) for r in Reason}


def test_reading_one_cluster_reads_little(archive: PosteriorArchive) -> None:
    """Samples are chunked by clusters, so reading one cluster does not read a whole galaxy."""
    assert archive.dataset()["theta"].chunks is not None
    assert max(archive.dataset()["theta"].chunks[0]) <= 64


def test_band_sets_and_systematics_of_single_bands_are_stored(tmp_path: Path, catalogue: Catalogue) -> None:
    reason = np.full((7, 3), Reason.OK, dtype=np.uint8)
    reason[0, 2], reason[1, 1], reason[2, 0], reason[3, 1:] = Reason.NO_BAND, Reason.NO_BAND, Reason.NO_COVERAGE, 6
    flux = np.full((7, 3), 1e-4)
    three = replace(catalogue, bands=("U", "V", "I"), flux=flux, sigma=flux / 10, reason=reason)
    archive = PosteriorArchive.create(
        tmp_path / "p.zarr",
        known=known_variables(three, {"U": 0.1, "V": 0.2, "I": 0.0}, PARAMETERS, [["U", "V"], ["U", "I"]]),
        bands=three.bands,
        samples=40,
        modes=2,
        parameters=PARAMETERS,
        attrs={},
        band_sets=[["U", "V"], ["U", "I"]],
        given=SCALE.given,
    )
    assert archive.read("band_set").tolist() == [0, 1, -1, 0, -1, -1, -1]
    np.testing.assert_allclose(archive.read("sigma")[0], 1e-4 * np.hypot(0.1, [0.1, 0.2, 0.0]))
    attrs = archive.dataset()["band_set"].attrs
    assert attrs["flag_values"] == [0, 1]
    assert attrs["flag_meanings"] == "U+V U+I"


def test_published_estimates_have_errors_and_chi2(tmp_path: Path, catalogue: Catalogue) -> None:
    error = {"log_age": np.full(7, 0.1)}
    published = {"log_age": np.full(7, 8.0), "chi2": np.arange(7.0)}
    archive = create(tmp_path / "p.zarr", replace(catalogue, published=published, published_error=error))
    np.testing.assert_allclose(archive.read("published_error")[0], [0.1, np.nan, np.nan], rtol=1e-6)
    assert archive.read("published_chi2").tolist() == list(range(7))
    assert archive.read("band_set").tolist() == [0] * 7
    assert archive.read("distance_error").tolist() == [0.0] * 7
