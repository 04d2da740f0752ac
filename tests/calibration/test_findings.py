from pathlib import Path

import numpy as np
import pytest

from hpcflow.calibration import findings
from hpcflow.calibration.record import ValidationStore
from hpcflow.calibration.words import describe
from hpcflow.model.prior import Parameter
from hpcflow.sources.cluster.parameters import SCALE

PARAMETERS = (Parameter("log_age", 6, 10), Parameter("log_mass", 2, 8), Parameter("ebv", 0, 1.5))
BANDS = ["A", "B", "C", "D", "E"]
ORDER = ["log_age", "ebv", "log_mass"]
N, SAMPLES = 4000, 99


def record(path: Path, power: float = 1.0, exact: int = N) -> Path:
    """Make a record whose ranks are uniform to a power."""
    rng = np.random.default_rng(1)
    attrs = {"samples": SAMPLES, "exact": exact, "exact_says": "r_v is free"}
    products = ["log_age*log_mass", "log_age*ebv", "log_mass*ebv"]
    store = ValidationStore.create(
        path,
        n=N,
        partition=1000,
        parameters=PARAMETERS,
        statistics=products,
        order=ORDER,
        bands=BANDS,
        features=4,
        attrs=attrs,
        given=SCALE.given,
    )
    gaps = rng.normal([0.1, 0.3, 0.2], 0.5, (N, 3))  # columns as the parameters
    log_q = rng.normal(2, 1, N)
    if not exact:
        gaps[:] = np.nan
    arrays = {
        "truth": rng.uniform([6, 2, 0], [10, 8, 1.5], (N, 3)),
        "rank": np.floor(rng.random((N, 3)) ** power * (SAMPLES + 1)) / SAMPLES,
        "rank_product": np.floor(rng.random((N, 3)) * (SAMPLES + 1)) / SAMPLES,
        "quantile": np.broadcast_to(np.array([7.0, 8.0, 9.0])[:, None], (N, 3, 3)),
        "error": rng.uniform(0.03, 0.5, N),
        "pattern": rng.choice([3, 7, 15, 31], N),
        "distance": rng.uniform(1, 30, N),
        "denser": np.floor(rng.random(N) ** power * (SAMPLES + 1)) / SAMPLES,
        "nearer": np.floor(rng.random(N) * (SAMPLES + 1)) / SAMPLES,
        "kl": gaps.sum(axis=1),
        "wasserstein": np.abs(gaps),
        "wasserstein_exact": np.full((N, 3), 0.1),
        "c2st": np.where(np.isfinite(gaps[:, 0]), rng.normal(0.55, 0.02, N), np.nan),
        "log_q": log_q,
        "log_p": log_q + gaps.sum(axis=1),
        "gap": gaps,
        "x": rng.standard_normal((N, 4)),
        "location": rng.standard_normal((N, 3)),
        "scale": rng.random((N, 3)),
    }
    for p in store.partitions:
        store.write(p, {name: values[p.start : p.stop] for name, values in arrays.items()})
    return path


def test_the_gap_is_split_in_the_chains_order(tmp_path: Path) -> None:
    with ValidationStore.open(record(tmp_path / "v.zarr")).dataset() as ds:
        whole, parts, kinds = findings.gap(ds), findings.gap_parts(ds), findings.gap_by_stratum(ds)
        assert findings.negative_log_likelihood(ds).value == pytest.approx(-2, abs=0.06)
    assert whole is not None
    assert [(part.of, *part.given) for part in parts] == [
        ("log_age",),
        ("ebv", "log_age"),
        ("log_mass", "log_age", "ebv"),
    ]
    for found, value in zip([whole, *parts], (0.6, 0.1, 0.2, 0.3), strict=True):
        assert found.n == N
        assert abs(found.value - value) < 4 * found.error
    assert whole.error == pytest.approx(0.5 * np.sqrt(3 / N), rel=0.1)
    assert sum(found.n for found in kinds if "bands" in found.of) == N
    assert sum(found.n for found in kinds if "A" in found.of) == N


def test_without_exact_densities_it_says_why(tmp_path: Path) -> None:
    path = record(tmp_path / "v.zarr", exact=0)
    with ValidationStore.open(path).dataset() as ds:
        assert findings.gap(ds) is None
        assert findings.gap_parts(ds) == findings.gap_by_stratum(ds) == []
    assert any("r_v is free" in line for line in describe(path))


def test_ranks_that_are_not_uniform_leave_the_band(tmp_path: Path) -> None:
    with ValidationStore.open(record(tmp_path / "good.zarr")).dataset() as ds:
        assert max(found.value for found in findings.ecdf_outside(ds)) < 0.2
    with ValidationStore.open(record(tmp_path / "bad.zarr", power=1.2)).dataset() as ds:
        outside = {found.of: found.value for found in findings.ecdf_outside(ds)}
        largest = {found.of: found.value for found in findings.ecdf(ds)}
    assert all(outside[name] > 0.9 for name in ("log_age", "log_mass", "ebv"))
    assert largest["log_age"] > 0.05
    assert outside["log_age*ebv"] < 0.2


def test_every_finding_is_described(tmp_path: Path) -> None:
    path = record(tmp_path / "v.zarr")
    said = "\n".join(describe(path))
    for wanted in ("likelihood", "gap to the exact posterior", "r* < 0.1", "3 bands", "ECDF", "68 % interval of ebv"):
        assert wanted in said
    for wanted in (
        "predicted from the photometry",
        "over a linear regression",
        "worst in ",
        "TARP",
        "highest density",
        "Wasserstein",
        "classifier",
        "divergence",
    ):
        assert wanted in said


def test_coverage_is_that_of_the_ranks(tmp_path: Path) -> None:
    with ValidationStore.open(record(tmp_path / "good.zarr")).dataset() as ds:
        inside = findings.coverage(ds)
        assert [found.of for found in inside] == ["log_age", "log_mass", "ebv"]
        assert inside[0].value == pytest.approx(0.68, abs=0.025)
        assert max(found.value for found in findings.intervals(ds)) < 0.03
    with ValidationStore.open(record(tmp_path / "bad.zarr", power=2)).dataset() as ds:
        assert min(found.value for found in findings.intervals(ds)) > 0.05


def test_every_stratum_has_every_number(tmp_path: Path) -> None:
    with ValidationStore.open(record(tmp_path / "v.zarr")).dataset() as ds:
        found = findings.by_stratum(ds.load())
        divergence = next(found for found in findings.distances(ds) if found.key == "kl")
    assert divergence.value == pytest.approx(0.6, abs=0.06)
    whole = found["all"]
    assert whole.gap is not None and whole.n == whole.gap.n == N
    assert whole.ecdf < whole.by_chance
    assert {"r* < 0.1", "8 <= log_age < 9", "0.7 <= E(B-V)", "10 <= distance < 20 Mpc", "A B", "2 bands"} <= set(found)
    for name, stratum in found.items():
        assert stratum.n <= N, name
        assert stratum.ecdf < stratum.by_chance, name
        assert stratum.regions < stratum.by_chance and stratum.tarp < stratum.by_chance, name
        assert stratum.c2st is not None and stratum.c2st.value == pytest.approx(0.55, abs=0.02), name


def test_strata_without_an_exact_posterior_have_the_other_numbers(tmp_path: Path) -> None:
    with ValidationStore.open(record(tmp_path / "v.zarr", exact=0)).dataset() as ds:
        found = findings.by_stratum(ds.load())
        assert findings.distances(ds) == []
    assert all(stratum.gap is None and stratum.c2st is None for stratum in found.values())
    assert found["all"].coverage["ebv"] == pytest.approx(0.68, abs=0.03)
