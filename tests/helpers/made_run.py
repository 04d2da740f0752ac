"""A tiny run folder with made-up posteriors, written through the stores' own interfaces."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from astropy.table import Table
from matplotlib.figure import Figure

from hpcflow.calibration.record import ValidationStore
from hpcflow.calibration.recovery import join_truth
from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.known import known_variables
from hpcflow.config.load import dump_yaml, load_yaml
from hpcflow.model.prior import Parameter
from hpcflow.sources.cluster.parameters import SCALE
from hpcflow.stages.look.folder import RunFolder
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.flags import Flag, Reason
from hpcflow.store.simulations import SimulationStore
from hpcflow.store.summary import summarise

BANDS = {"F275W": "WFC3_UVIS.F275W", "F438W": "WFC3_UVIS.F438W", "F814W": "WFC3_UVIS.F814W"}
PARAMETERS = (
    Parameter("log_age", 6.0, 10.1383, "dex(yr)"),
    Parameter("log_mass", 2.0, 8.0, "dex(M_sun)"),
    Parameter("ebv", 0.0, 1.5, "mag"),
)
LOW, HIGH = np.array([[p.low, p.high] for p in PARAMETERS]).T
PRODUCTS = ["log_age*log_mass", "log_age*ebv", "log_mass*ebv"]
CLUSTERS, SAMPLES, MODES, DRAWS = 40, 64, 3, 20
FAILED = 7  # a cluster without a posterior
PARTS = ("simulations", "flow", "posteriors", "validation", "truth")


def make_run(path: Path, parts: tuple[str, ...] = PARTS, partitions: int | None = None) -> Path:
    """Write a run folder with some of its parts, and only the first partitions of the archive."""
    path.mkdir(parents=True)
    rng = np.random.default_rng(1)
    catalogue = path / "mock.fits"
    parameters = {p.name: {"low": p.low, "high": p.high, "unit": p.unit} for p in PARAMETERS}
    config = {
        "name": "tiny <run>",
        "model": {"bands": BANDS, "parameters": parameters},
        "infer": {"catalogues": [str(catalogue)]},
    }
    provenance = {"python": "3.11.7", "git": "0123abcd", "versions": {"numpy": "2.0.0"}}
    (path / "run.yaml").write_text(dump_yaml({"config": config, "frozen": ["name"], "provenance": provenance}))
    truth = LOW + (HIGH - LOW) * rng.uniform(0.1, 0.9, (CLUSTERS, 3))
    if "simulations" in parts:
        _simulations(path, rng)
    if "flow" in parts:
        _flow(path)
    if "posteriors" in parts:
        _posteriors(path, truth, rng, partitions)
    if "validation" in parts:
        _validation(path, rng)
    if "truth" in parts:
        columns = dict(zip([p.name for p in PARAMETERS], truth.T, strict=True))
        Table({"galaxy": _galaxies(), "cluster_id": _identifiers(), **columns}).write(path / "mock_truth.fits")
    return path


def _galaxies() -> np.ndarray:
    return np.repeat(["NGC0628C", "NGC1566"], CLUSTERS // 2)


def _identifiers() -> np.ndarray:
    return np.arange(1, CLUSTERS + 1).astype(str)


def _simulations(path: Path, rng: np.random.Generator) -> None:
    store = SimulationStore.create(
        path / "simulations.zarr", n=30, partition=10, parameters=[PARAMETERS[0], PARAMETERS[2]],
        bands=list(BANDS), seed=1, source={"simulator": "ssp"},
    )  # fmt: skip
    for p in store.partitions:
        store.write(p, rng.random((len(p), 2)), rng.random((len(p), 3)))


def _flow(path: Path) -> None:
    (path / "flow").mkdir()
    rows = "\n".join(
        f"{s},{s * 10},{5 / s - 3},{5 / s - 2.9 + s / 4e3},{1e-3 / s},{s / 10}" for s in range(50, 551, 50)
    )
    header = "step,examples,train_nll,validation_nll,learning_rate,seconds\n"
    (path / "flow" / "history.csv").write_text(header + rows + "\n")
    (path / "flow" / "flow.json").write_text(json.dumps({"weights": 1234, "flow": {"family": "autoregressive"}}))


def _posteriors(path: Path, truth: np.ndarray, rng: np.random.Generator, partitions: int | None) -> None:
    n, bands = CLUSTERS, len(BANDS)
    flux = 10 ** rng.uniform(-4, -2, (n, bands))
    reason = np.zeros((n, bands), dtype=np.uint8)
    reason[FAILED, :2], reason[3, 0] = Reason.NO_COVERAGE, Reason.NEGATIVE
    nowhere = np.zeros(n)
    catalogue = Catalogue(
        galaxy=_galaxies(), cluster_id=_identifiers(), ra=nowhere, dec=nowhere, distance=nowhere + 10,
        cluster_class=np.ones(n, dtype=np.int64), bands=tuple(BANDS), flux=flux, sigma=0.1 * flux, reason=reason,
        published={"log_age": truth[:, 0] + 0.1, "log_mass": truth[:, 1], "ebv": truth[:, 2], "chi2": np.full(n, 1.5)},
        published_error={"log_age": np.full(n, 0.2), "log_mass": np.full(n, 0.1)},
    ).masked()  # fmt: skip
    archive = PosteriorArchive.create(
        path / "posteriors.zarr", known=known_variables(catalogue, 0.05, PARAMETERS),
        bands=catalogue.bands, partition=16, samples=SAMPLES, modes=MODES,
        parameters=PARAMETERS, attrs={"seed": 1}, given=SCALE.given)  # fmt: skip
    width = np.array([0.2, 0.1, 0.05])
    theta = np.clip(truth[:, None] + width * rng.standard_normal((n, SAMPLES, 3)), LOW, HIGH)
    theta[5, : SAMPLES // 2, 0] = 6.3  # a second mode
    mode = np.full((n, MODES, 3), np.nan)
    mode[:, 0], mode[5, 1] = truth, [6.3, truth[5, 1], truth[5, 2]]
    share = np.full((n, MODES), np.nan)
    share[:, 0], share[5, :2] = 1.0, 0.5
    predicted = flux * rng.lognormal(0, 0.1, flux.shape)
    flag = np.zeros(n, dtype=int)
    flag[FAILED], flag[3] = Flag.TOO_FEW_BANDS | Flag.MISSING_BAND, Flag.NOT_DETECTED
    arrays = {
        "theta": theta, "log_q": np.zeros((n, SAMPLES)), "mode": mode, "mode_share": share, "mode_log_q": share,
        "map": truth, "quantile": np.quantile(theta, (0.16, 0.5, 0.84), axis=1).swapaxes(0, 1), "mean": truth,
        "std": np.broadcast_to(width, (n, 3)), "covariance": np.zeros((n, 3, 3)), "entropy": np.zeros(n),
        "predictive_mean": predicted, "predictive_quantile": np.stack([predicted] * 3, axis=-1),
        "predictive_rank": rng.random(flux.shape), "map_flux": predicted, "chi2_map": rng.chisquare(2, n) / 2,
    }  # fmt: skip
    arrays = {name: np.array(values, dtype=float) for name, values in arrays.items()}
    for values in arrays.values():
        values[FAILED] = np.nan
    for p in archive.partitions[:partitions]:
        archive.write(p, {name: values[p.start : p.stop] for name, values in {**arrays, "flag": flag}.items()})


def _validation(path: Path, rng: np.random.Generator) -> None:
    n = 60
    store = ValidationStore.create(
        path / "report" / "validation.zarr", n=n, partition=30, parameters=PARAMETERS, statistics=PRODUCTS,
        order=["log_age", "ebv", "log_mass"], bands=list(BANDS), features=5,
        attrs={"samples": DRAWS, "seed": 1, "exact": n // 2, "exact_says": ""}, given=SCALE.given)  # fmt: skip
    truth = rng.random((n, 3))
    levels = np.broadcast_to(np.array([0.16, 0.5, 0.84])[:, None], (n, 3, 3))
    arrays = {
        "truth": truth,
        "rank": rng.binomial(DRAWS, truth) / DRAWS,
        "rank_product": rng.integers(0, DRAWS + 1, (n, 3)) / DRAWS,
    }
    for p in store.partitions:
        rows = {name: values[p.start : p.stop] for name, values in {**arrays, "quantile": levels}.items()}
        log_q, gap = rng.normal(3, 1, len(p)), rng.normal(0.1, 0.2, (len(p), 3))
        gap[::2] = np.nan
        store.write(
            p,
            {
                **rows,
                "log_q": log_q,
                "log_p": log_q + gap.sum(axis=1),
                "gap": gap,
                "error": rng.uniform(0.05, 0.5, len(p)),
                "distance": rng.uniform(1, 30, len(p)),
                "pattern": rng.choice([3, 5, 7], len(p)),
                "denser": rng.integers(0, DRAWS + 1, len(p)) / DRAWS,
                "nearer": rng.integers(0, DRAWS + 1, len(p)) / DRAWS,
                "kl": np.abs(gap).sum(axis=1),
                "wasserstein": np.abs(gap),
                "wasserstein_exact": np.where(np.isnan(gap), np.nan, 0.1),
                "c2st": np.where(np.isnan(gap[:, 0]), np.nan, rng.uniform(0.5, 0.6, len(p))),
                "x": rng.standard_normal((len(p), 5)),
                "location": rng.standard_normal((len(p), 3)),
                "scale": rng.random((len(p), 3)),
            },
        )


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    path = make_run(tmp_path_factory.mktemp("runs") / "tiny")
    values = load_yaml(path / "run.yaml")
    return RunFolder(path, values["config"], values["provenance"])


@pytest.fixture(scope="session")
def archive(run: RunFolder) -> xr.Dataset:
    return summarise(run.posteriors)


@pytest.fixture(scope="session")
def truth(run: RunFolder, archive: xr.Dataset) -> np.ndarray:
    return join_truth(archive, [run.path / "mock_truth.fits"])


@pytest.fixture
def labels() -> Callable[[Figure], list[str]]:
    """Everything written along the axes of a figure."""

    def read(figure: Figure) -> list[str]:
        shown = [axis for axis in figure.axes if axis.get_visible()]
        along = [text for axis in shown for text in (axis.get_xlabel(), axis.get_ylabel())]
        return [text for text in (*along, figure.get_supxlabel(), figure.get_supylabel()) if text]

    return read
