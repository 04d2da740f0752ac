"""Clusters of few stars from the config to their posteriors: the mass is simulated, and there is no likelihood."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from astropy.table import Table

from hpcflow.config.load import load_config, with_values
from hpcflow.model.observe import Photometry
from hpcflow.model.simulator import Simulator
from hpcflow.sources.cluster.simulators import build_ssp
from hpcflow.stages.build import build_observer, build_simulated, build_simulator
from hpcflow.stages.run import Run
from hpcflow.stages.validate import observed_partition
from hpcflow.stages.verify import verify_library
from hpcflow.store.simulations import SimulationStore

Command = Callable[..., tuple[str, str]]
BANDS = ("F275W", "F336W", "F438W", "F555W", "F814W")
OBJECTS = 6
SIZES = {
    "observe": {"systematic": 0.05},
    "simulate": {"n": 20_000, "partition": 2000, "seed": 3},
    "train": {
        "flow": {"family": "autoregressive", "hidden": 32, "embedding_hidden": 64, "embedding_layers": 2},
        "batch": 512,
        "steps": 200,
        "validate_every": 100,
    },
    "infer": {"galaxy": "here", "samples": 500, "keep": 100, "predictive": 50},
    "validate": {"n": 300, "samples": 50, "partition": 100, "require": None},
}
NO_LIKELIHOOD = "the likelihood is not tractable with simulator stochastic, which draws realisation at random"


@pytest.fixture
def small(tiny: Callable[..., Path]) -> Path:
    """Give a config of clusters of few stars, with the path of a catalogue of some."""
    path = tiny(**SIZES)
    text = path.read_text().replace("model:\n", "model:\n  simulator: stochastic\n")
    path.write_text(text.replace("low: 2.0", "low: 2.5").replace("high: 8.0", "high: 6.0"))
    config = load_config(path)
    theta = build_simulated(config).sample(OBJECTS, np.random.default_rng(8))
    seen = build_observer(config)(build_simulator(config)(theta), theta[:, 1], np.random.default_rng(9))
    write(path.with_name("seen.csv"), seen)
    return path


def write(path: Path, seen: Photometry) -> None:
    lines = [",".join(["cluster_id", "distance", *(name for band in BANDS for name in (band, f"{band}_err"))])]
    for i in range(OBJECTS):
        pairs = [f"{value:.8g}" for pair in zip(seen.flux[i], seen.sigma[i], strict=True) for value in pair]
        lines.append(",".join([str(i), f"{seen.given[i, 0]:.8g}", *pairs]))
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.slow
def test_from_simulations_to_posteriors(small: Path, hpcflow: Command) -> None:
    run, more = Run(Path("run")), ("--run", "run", "--workers", "1")
    catalogue = ("--set", "infer.catalogues=[seen.csv]")
    hpcflow("simulate", small, *more, *catalogue)
    store = SimulationStore.open(run.simulations)
    theta, flux = store.rows("train")
    assert store.parameters == ["log_age", "log_mass", "ebv", "realisation"]
    assert (theta[:, 1].min(), theta[:, 1].max()) == pytest.approx((2.5, 6.0), abs=0.01)
    assert np.isfinite(flux).all()
    assert list(verify_library(load_config(small, catalogue[1:]), run)) == []  # the same rows have the same stars

    _, said = hpcflow("train", small, *more, *catalogue)
    assert f"the gap is not measured: {NO_LIKELIHOOD}" in said
    hpcflow("infer", small, *more, *catalogue)
    with xr.open_zarr(run.posteriors) as archive:
        assert archive["parameter"].values.tolist() == ["log_age", "log_mass", "ebv"]
        assert archive.attrs["log_weight"].startswith(f"none: {NO_LIKELIHOOD}")
        assert not {"log_weight", "log_bayes", "efficiency"} & set(archive.data_vars)
        assert np.isfinite(archive["map"].values).all()
        assert (archive["predictive_mean"].values > 0).all()
    hpcflow("validate", small, *more, *catalogue)
    with xr.open_zarr(run.validation) as record:
        assert np.isnan(record["log_p"].values).all()
    test_masses = observed_partition("run", store.partitions[0])[0][:100, 1]
    np.testing.assert_array_equal(test_masses, store.rows("test")[0][:100, 1])  # those that the stars were drawn for


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        (("infer.posterior=exact",), f"{NO_LIKELIHOOD}; only a flow gives the posterior"),
        (("train.scale=exact",), "the simulator takes log_mass itself; set it to learned"),
    ],
)
def test_what_needs_a_likelihood_is_refused(small: Path, hpcflow: Command, sets: tuple[str, ...], says: str) -> None:
    config = with_values(load_config(small), {"simulate.n": 300, "simulate.partition": 100})
    assert config.model.simulator == "stochastic"
    stage = "infer" if "infer" in sets[0] else "train"
    options = ("--run", "run", "--workers", "1", "--set", "simulate.n=300", "--set", "simulate.partition=100")
    options += ("--set", "infer.catalogues=[seen.csv]", "--set", *sets)
    if stage == "train":
        hpcflow("simulate", small, *options)
    assert says in hpcflow(stage, small, *options, code=2)[1]


def test_partitions_of_other_sizes_and_other_workers_have_the_same_stars(small: Path) -> None:
    config = load_config(small)
    simulator = build_simulator(config)
    theta = build_simulated(config).sample(3000, np.random.default_rng(1))
    whole = simulator(theta)
    for size in (1, 700, 2999):
        np.testing.assert_array_equal(build_simulator(config)(theta[:size]), whole[:size])


def test_a_mock_has_clusters_of_few_stars(small: Path, hpcflow: Command) -> None:
    """Colours scatter about those of many stars, which those of a mock by the simulator `ssp` have exactly."""
    sets = ("--set", "mock.n=300")
    hpcflow("mock", small, "--out", "stars", *sets)
    hpcflow("mock", small, "--out", "mean", *sets, "--set", "model.simulator=ssp")
    stars, mean = (Table.read(f"{folder}/mock_truth.fits") for folder in ("stars", "mean"))
    assert stars.colnames == mean.colnames  # nobody need know which stars there were
    assert len(stars) == len(mean) == 300
    curves = {name: f"WFC3_UVIS.{name}" for name in ("F555W", "F814W")}
    names = ("log_age", "ebv", "metallicity")
    expected = build_ssp(
        ssp="bc03_miles_kroupa", bands=curves, parameters=names, fixed={}, ages="continuous", extinction="odonnell94"
    )
    assert scatter(mean, expected) < 0.01
    assert scatter(stars, expected) > 0.05


def scatter(truth: Table, expected: Simulator) -> float:
    """Return the scatter in V - I of clusters of WFC3 about those of many stars, in mag."""
    flux = expected(np.stack([truth[name] for name in expected.parameters], axis=1))
    seen = np.stack([truth[f"{band}_mJy"] for band in expected.bands], axis=1)
    colour = -2.5 * np.log10(seen / flux) @ np.array([1.0, -1.0])
    return float(np.std(colour[np.isfinite(colour) & (np.abs(colour) < 3)]))


def test_published_fits_are_not_made_of_clusters_of_few_stars(small: Path, hpcflow: Command) -> None:
    _, said = hpcflow("mock", small, "--out", "stars", "--set", "mock.form=dr5", code=2)
    assert "set mock.form to plain" in said


def test_fluxes_of_given_stars(small: Path, hpcflow: Command) -> None:
    config, theta = load_config(small), build_simulated(load_config(small)).sample(5, np.random.default_rng(1))
    Table(theta, names=build_simulated(config).names).write("in.csv")
    hpcflow("flux", small, "in.csv", "--out", "out.csv")
    found = np.stack([Table.read("out.csv")[f"flux_{band}"] for band in BANDS], axis=1)
    np.testing.assert_allclose(found, build_simulator(config)(theta) * 10 ** theta[:, [1]], rtol=1e-6)
