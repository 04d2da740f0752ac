"""What a cluster costs in the archive, on disk and to read, for 20 000 synthetic posteriors, in processor time."""

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import xarray as xr

from hpcflow.base.partitions import Partition
from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.known import known_variables
from hpcflow.model.prior import Parameter
from hpcflow.sources.cluster.parameters import SCALE
from hpcflow.store.archive import PosteriorArchive
from printed import table
from tables import size

CLUSTERS, GALAXIES, PARTITION, SAMPLES = 20_000, 38, 320, 1000
BANDS = ("F275W", "F336W", "F438W", "F555W", "F814W")
PARAMETERS = (
    Parameter("log_age", 6, 10.1383, "dex(yr)"),
    Parameter("log_mass", 2, 8, "dex(solMass)"),
    Parameter("ebv", 0, 1.5, "mag"),
)
pytestmark = pytest.mark.benchmark


def catalogue() -> Catalogue:
    rng = np.random.default_rng(0)
    shape = (CLUSTERS, len(BANDS))
    return Catalogue(
        galaxy=np.sort(np.array([f"NGC{1000 + i}" for i in rng.integers(0, GALAXIES, CLUSTERS)])),
        cluster_id=np.arange(CLUSTERS).astype(np.str_),
        ra=rng.uniform(0, 360, CLUSTERS),
        dec=rng.uniform(-90, 90, CLUSTERS),
        distance=rng.uniform(3, 25, CLUSTERS),
        cluster_class=rng.integers(1, 3, CLUSTERS),
        bands=BANDS,
        flux=10 ** rng.normal(-3, 0.5, shape),
        sigma=10 ** rng.normal(-5, 0.5, shape),
        reason=np.zeros(shape, dtype=np.uint8),
    )


def posteriors(archive: PosteriorArchive, partition: Partition) -> dict[str, np.ndarray]:
    """Thin bent ridges, a sixth of them in two pieces, with the spreads and correlations of real ones."""
    rng = np.random.default_rng(partition.index)
    n = len(partition)
    along, across = rng.standard_normal((2, n, SAMPLES))
    width = np.minimum(rng.lognormal(np.log(0.25), 0.6, (n, 1)), 1)
    second = (rng.random((n, SAMPLES)) < 0.3) & (np.arange(n) % 6 == 0)[:, None]
    age = rng.uniform(6.2, 9.8, (n, 1)) + width * along + second
    mass = rng.uniform(3, 6, (n, 1)) + 0.6 * width * along + 0.08 * across
    ebv = np.abs(
        rng.uniform(0, 0.6, (n, 1)) - 0.3 * width * (along + 0.3 * along**2) + 0.03 * rng.standard_normal((n, SAMPLES))
    )
    theta = np.clip(np.stack([age, mass, ebv], axis=2), [6, 2, 0], [10.1383, 8, 1.5])
    log_q = 6 - 3 * np.log(width) - 0.5 * (along**2 + across**2 + rng.chisquare(1, (n, SAMPLES)))
    shapes = {name: archive.read(name, partition).shape for name in archive.written}
    rest = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    return rest | {"theta": theta, "log_q": log_q, "log_weight": 80 + 0.4 * rng.standard_t(4, (n, SAMPLES))}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PosteriorArchive]:
    made = PosteriorArchive.create(
        tmp_path_factory.mktemp("archive") / "posteriors.zarr",
        known=known_variables(catalogue(), 0.05, PARAMETERS),
        bands=catalogue().bands,
        partition=PARTITION,
        samples=SAMPLES,
        modes=3,
        parameters=PARAMETERS,
        attrs={},
        weighted=True,
        given=SCALE.given,
    )
    for partition in made.partitions:
        made.write(partition, posteriors(made, partition))
    yield made


def took(read: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        start = time.process_time()
        read()
        times.append(time.process_time() - start)
    return float(np.median(times))


def test_bytes_and_read_times(archive: PosteriorArchive, capsys: pytest.CaptureFixture[str]) -> None:
    def opened() -> xr.Dataset:
        return xr.open_zarr(archive.path)

    galaxy = (opened().galaxy == "NGC1010").values
    total, files = size(archive.path)
    each = [size(archive.path / name)[0] for name in ("theta", "log_q", "log_weight")]
    sizes = "; ".join(f"{count / CLUSTERS:,.0f}" for count in (*each, total))
    reads: dict[str, Callable[[], object]] = {
        "opening": opened,
        "one cluster, its samples": lambda: opened().theta.isel(cluster=12_345).load(),
        "one cluster, all variables": lambda: opened().isel(cluster=12_345).load(),
        f"one galaxy of {galaxy.sum()} clusters, all variables": lambda: opened().isel(cluster=galaxy).load(),
        "one galaxy, samples of all parameters": lambda: opened().theta.isel(cluster=galaxy).load(),
        "all clusters, MAP": lambda: opened()["map"].load(),
        "all clusters, samples of the age": lambda: opened().theta.isel(parameter=0).load(),
    }
    with capsys.disabled():
        about = [("bytes a cluster: samples; log q; log weight; everything", sizes), ("files", f"{files:,}")]
        rows = [*about, *((name, f"{1e3 * took(read):.0f} ms") for name, read in reads.items())]
        print("\n" + table([f"{CLUSTERS:,} clusters", ""], rows))
    assert opened().theta.isel(cluster=galaxy).notnull().all()
    assert total / CLUSTERS < 10_000
