"""Inference with an untrained flow: the results for a cluster must not depend on the others in the batch."""

import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from clusters import archive_rows, cluster_estimator, cluster_observer, photometry_of
from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.known import known_variables
from hpcflow.flow.estimator import as_tensors
from hpcflow.flow.families import FAMILIES
from hpcflow.model.filters import load_curve
from hpcflow.model.observe import Photometry
from hpcflow.model.prior import Parameter, Prior
from hpcflow.model.tables import load_ssp, shipped_tables
from hpcflow.posterior.exact import ExactModel
from hpcflow.posterior.inference import Inference, Settings
from hpcflow.posterior.likelihood import Likelihood
from hpcflow.posterior.proposal import FlowProposal
from hpcflow.posterior.sampling import BLOCK
from hpcflow.posterior.support import Support
from hpcflow.posterior.target import Target
from hpcflow.sources.cluster.parameters import SCALE
from hpcflow.sources.cluster.ssp import SspSimulator
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.flags import LEAST_EFFECTIVE, POOR_CHI2, Flag, Reason, Refined
from hpcflow.store.schema import QUANTILES, known_names

torch.set_num_threads(1)

PRIOR = Prior((Parameter("log_age", 6, 10.1383), Parameter("log_mass", 2, 8), Parameter("ebv", 0, 1.5)))
BANDS = ("F275W", "F336W", "F438W", "F555W", "F814W")
OBSERVER = cluster_observer(relative_error=(0.0, 0.5), missing=0.1)
EXACT = ("autoregressive", "exact")
SETTINGS = Settings(samples=150, keep=40, predictive=30, modes=3, seed=5)
kinds = pytest.mark.parametrize("kind", [(family, "none") for family in FAMILIES] + [("cinn", "flow"), EXACT])
Rows = dict[str, np.ndarray]


@cache
def simulator() -> SspSimulator:
    curves = {band: load_curve(f"WFC3_UVIS.{band}") for band in BANDS}
    return SspSimulator(load_ssp(shipped_tables()[0], 0.02), curves)


@cache
def support() -> Support:
    theta = PRIOR.select(["log_age", "ebv"]).sample(2000, np.random.default_rng(1))
    return Support.of_library(OBSERVER, simulator()(theta), (2.0, 8.0))


@cache
def target() -> Target:
    return Target(Likelihood(simulator(), PRIOR, OBSERVER))


@cache
def engine(family: str = "autoregressive", polish: str = "none", seed: int = 5, refine: bool = False) -> Inference:
    torch.manual_seed(0)
    estimator = cluster_estimator(PRIOR, BANDS, "absolute", {"family": family, "hidden": 8, "embedding_hidden": 8})
    estimator.features.fit(as_tensors(observed(200)))
    estimator.eval().requires_grad_(False)
    settings = Settings(150, 40, 30, 3, seed, polish, refine)
    proposal = FlowProposal(estimator, seed)
    return Inference(proposal, simulator(), support(), settings, target() if polish == "exact" else None)


def observed(n: int, seed: int = 2) -> Photometry:
    rng = np.random.default_rng(seed)
    theta = PRIOR.sample(n, rng)
    return cluster_observer(relative_error=(0.02, 0.3))(simulator()(theta[:, [0, 2]]), theta[:, 1], rng)


def rows(n: int = 6) -> Rows:
    return archive_rows(observed(n))


def without(given: Rows, row: int, bands: list[int], reason: Reason) -> Rows:
    """Return rows in which one cluster lacks bands, as in a catalogue."""
    changed = {name: value.copy() for name, value in given.items()}
    changed["flux"][row, bands] = changed["sigma"][row, bands] = np.nan
    changed["observed"][row, bands], changed["reason"][row, bands] = False, reason
    return changed


def assert_same(one: Rows, two: Rows) -> None:
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


@kinds
def test_a_cluster_is_the_same_alone_and_in_any_order(kind: tuple[str, str]) -> None:
    given, of = rows(), engine(*kind)
    together = of.infer(given)
    assert np.isfinite(together["theta"]).all()
    for i in (0, 3, 5):
        assert_same(of.infer({k: v[i : i + 1] for k, v in given.items()}), {k: v[[i]] for k, v in together.items()})
    order = np.array([4, 2, 0, 5, 1, 3])
    assert_same(of.infer({k: v[order] for k, v in given.items()}), {k: v[order] for k, v in together.items()})


def test_a_cluster_is_the_same_in_another_block() -> None:
    given, of = rows(2 * BLOCK + 3), engine()
    together = of.infer(given)
    order = np.random.default_rng(4).permutation(len(given["galaxy"]))
    for chosen in (order, order[:5], np.array([BLOCK, 2 * BLOCK + 2, 0])):
        assert_same(of.infer({k: v[chosen] for k, v in given.items()}), {k: v[chosen] for k, v in together.items()})


@kinds
def test_a_cluster_is_the_same_among_bad_rows(kind: tuple[str, str]) -> None:
    given, of = rows(), engine(*kind)
    clean = of.infer(given)
    bad = without(given, 1, [0, 1, 2, 3, 4], Reason.NOT_FINITE)
    bad = without(bad, 2, [0, 1, 2, 3], Reason.NEGATIVE)
    bad["distance"][4] = np.nan
    mixed = of.infer(bad)
    kept = [0, 3, 5]
    assert_same({k: v[kept] for k, v in mixed.items()}, {k: v[kept] for k, v in clean.items()})
    for row, flag in ((1, Flag.TOO_FEW_BANDS), (2, Flag.TOO_FEW_BANDS), (4, Flag.NOT_GIVEN)):
        assert mixed["flag"][row] & flag
        for name, value in mixed.items():
            assert name in ("flag", "refined", "prior_edge") or np.isnan(value[row]).all(), name
    assert mixed["flag"][1] & Flag.BAD_VALUE
    assert mixed["flag"][2] & Flag.NOT_DETECTED
    assert not (clean["flag"] & (Flag.TOO_FEW_BANDS | Flag.FAILED)).any()


def test_a_used_flux_of_nan_fails_only_its_own_cluster() -> None:
    given = rows()
    clean = engine().infer(given)
    for junk in (np.nan, -1.0, np.inf):
        bad = {name: value.copy() for name, value in given.items()}
        bad["flux"][2, 1] = junk
        found = engine().infer(bad)
        assert found["flag"][2] & Flag.FAILED
        assert np.isnan(found["theta"][2]).all()
        others = [0, 1, 3, 4, 5]
        assert_same({k: v[others] for k, v in found.items()}, {k: v[others] for k, v in clean.items()})


def test_a_missing_band_leaves_a_posterior_without_a_prediction_in_that_band() -> None:
    found = engine().infer(without(rows(), 3, [1], Reason.NO_COVERAGE))
    assert found["flag"][3] & Flag.MISSING_BAND
    assert not found["flag"][3] & (Flag.TOO_FEW_BANDS | Flag.FAILED)
    assert np.isfinite(found["theta"]).all()
    for name in ("predictive_mean", "predictive_rank", "predictive_quantile"):
        missing = np.isnan(found[name][3].reshape(5, -1)).all(axis=1)
        np.testing.assert_array_equal(missing, [False, True, False, False, False], err_msg=name)
    assert np.isfinite(found["map_flux"][3]).all()


@kinds
def test_names_and_shapes_match_the_archive(kind: tuple[str, str], tmp_path: Path) -> None:
    given = without(rows(), 1, [0, 1, 2, 3, 4], Reason.NOT_FINITE)
    n = len(given["galaxy"])
    catalogue = Catalogue(
        galaxy=given["galaxy"],
        cluster_id=given["cluster_id"],
        ra=np.zeros(n),
        dec=np.zeros(n),
        distance=given["distance"],
        cluster_class=np.ones(n, np.int64),
        bands=BANDS,
        flux=given["flux"],
        sigma=given["sigma"],
        reason=given["reason"],
    )
    archive = PosteriorArchive.create(
        tmp_path / "posteriors.zarr",
        known=known_variables(catalogue, 0.0, PRIOR.parameters),
        bands=catalogue.bands,
        partition=n,
        samples=SETTINGS.keep,
        modes=SETTINGS.modes,
        parameters=PRIOR.parameters,
        attrs={},
        weighted=kind == EXACT,
        given=SCALE.given,
    )
    (partition,) = archive.partitions
    names = ("galaxy", "cluster_id", "flux", "sigma", "observed", "distance", "reason")
    found = engine(*kind).infer({name: archive.read(name, partition) for name in names})
    known = set(known_names(["distance"]))
    dataset = archive.dataset()
    assert set(found) == {str(v) for v in dataset.variables if "cluster" in dataset[v].dims} - known
    for name, value in found.items():
        assert value.shape == dataset[name].shape, name
    archive.write(partition, found)
    kept = archive.dataset()
    np.testing.assert_array_equal(kept["flag"], found["flag"])
    order = found["theta"][..., 0].argsort(axis=1)  # stored in order of age
    expected = np.take_along_axis(found["theta"], order[..., None], axis=1)
    np.testing.assert_allclose(kept["theta"], expected, atol=2e-4)
    np.testing.assert_allclose(kept["quantile"], found["quantile"], rtol=1e-6)
    dataset.close()
    kept.close()


def test_variables_are_consistent_with_each_other() -> None:
    given = rows()
    found = engine().infer(given)
    np.testing.assert_array_equal(found["map"], found["mode"][:, 0])
    np.testing.assert_allclose(np.nansum(found["mode_share"], axis=1), 1.0)
    np.testing.assert_allclose(found["std"], np.sqrt(np.diagonal(found["covariance"], axis1=1, axis2=2)))
    assert (np.diff(found["quantile"], axis=1) >= 0).all()
    expected = simulator()(found["map"][:, [0, 2]])
    expected *= (10 ** found["map"][:, 1] * (1e-5 / given["distance"]) ** 2)[:, None]
    np.testing.assert_allclose(found["map_flux"], expected, rtol=1e-10)
    chi2 = (((found["map_flux"] - given["flux"]) / given["sigma"]) ** 2).sum(axis=1) / 2
    np.testing.assert_allclose(found["chi2_map"], chi2, rtol=1e-10)
    np.testing.assert_array_equal((found["flag"] & Flag.POOR_FIT) != 0, chi2 > POOR_CHI2)
    inside = (found["theta"] >= PRIOR.low - 1e-6) & (found["theta"] <= PRIOR.high + 1e-6)
    assert inside.all()
    assert found["quantile"].shape == (6, len(QUANTILES), 3)


def test_the_draws_depend_on_seed_and_cluster() -> None:
    given = rows(2)
    found = engine().infer(given)
    assert not np.array_equal(engine(seed=6).infer(given)["theta"], found["theta"])
    given["cluster_id"] = np.array(["0", "other"])
    renamed = engine().infer(given)
    np.testing.assert_array_equal(renamed["theta"][0], found["theta"][0])
    assert not np.array_equal(renamed["theta"][1], found["theta"][1])


def test_no_rows_give_empty_arrays() -> None:
    found = engine().infer({name: value[:0] for name, value in rows().items()})
    assert all(len(value) == 0 for value in found.values())
    assert found["theta"].shape == (0, 40, 3)


def test_weights_agree_with_the_exact_posterior() -> None:
    given = rows()
    found = engine(*EXACT).infer(given)
    for i in range(len(given["galaxy"])):
        one = Photometry(*(given[name][i : i + 1] for name in ("flux", "sigma", "observed", "distance")))
        expected = target().log_prob(found["theta_flow"][i], one) - found["log_q"][i]
        np.testing.assert_allclose(found["log_weight"][i], expected, rtol=1e-9)
        at_modes = target().log_prob(found["mode"][i], one) - found["log_evidence"][i]
        known = np.isfinite(found["mode_share"][i])
        np.testing.assert_allclose(found["mode_log_p"][i, known], at_modes[known], rtol=1e-6)
    np.testing.assert_array_equal(
        (found["flag"] & Flag.LOW_EFFICIENCY) != 0, found["efficiency"] * 150 < LEAST_EFFECTIVE
    )
    assert (found["refined"] == Refined.NONE).all()


def test_theta_has_the_distribution_of_the_weighted_samples() -> None:
    found = engine(*EXACT).infer(rows())
    for i in range(6):
        drawn = {tuple(sample) for sample in found["theta"][i]}
        assert len(drawn) <= max(found["effective"][i] * 10, 1)  # few samples have nearly all of the weight
        low, high = found["quantile"][i, 0], found["quantile"][i, 2]
        assert (np.abs(found["theta"][i].mean(axis=0) - found["mean"][i]) <= 0.5 * found["std"][i] + 1e-6).all()
        assert (low <= high).all()
    np.testing.assert_allclose(found["std"], np.sqrt(np.diagonal(found["covariance"], axis1=1, axis2=2)))
    assert (found["log_bayes"] < 0).all()


def test_polishing_on_the_exact_density_raises_the_map_above_all_samples() -> None:
    given = rows()
    plain, climbed = (engine("autoregressive", polish).infer(given) for polish in ("none", "exact"))
    for i in range(len(given["galaxy"])):
        one = Photometry(*(given[name][i : i + 1] for name in ("flux", "sigma", "observed", "distance")))
        top = target().log_prob(climbed["map"][i : i + 1], one)[0]
        assert top >= target().log_prob(plain["map"][i : i + 1], one)[0]
        assert (np.diff(climbed["mode_log_p"][i][np.isfinite(climbed["mode_share"][i])]) <= 0).all()
    assert np.median(climbed["chi2_map"]) < np.median(plain["chi2_map"]) / 10
    np.testing.assert_array_equal(plain["theta"], climbed["theta_flow"])
    np.testing.assert_array_equal(plain["quantile"], climbed["quantile_flow"])
    np.testing.assert_array_equal(plain["map"], climbed["map_flow"])


def test_an_untrained_flow_is_refined_to_the_exact_posterior() -> None:
    given = rows(4)
    found = engine(*EXACT, refine=True).infer(given)
    assert (found["refined"] == Refined.EXACT_GRID).any()
    assert ((found["flag"] & Flag.LOW_EFFICIENCY) != 0)[found["refined"] != Refined.NONE].all()
    model = ExactModel(Likelihood(simulator(), PRIOR, OBSERVER))
    for i in np.flatnonzero(found["refined"] == Refined.EXACT_GRID):
        posterior = model.posterior(
            photometry_of({k: given[k][i : i + 1] for k in ("flux", "sigma", "observed", "distance")})
        )
        samples = posterior.sample(4000, np.random.default_rng(1))
        assert found["log_evidence"][i] == pytest.approx(posterior.log_evidence)
        for mean in (found["mean"][i], found["theta"][i].mean(axis=0)):
            np.testing.assert_allclose(mean, samples.mean(axis=0), atol=0.15 if mean is found["mean"][i] else 0.5)
        assert (np.abs(found["mean_flow"][i] - samples.mean(axis=0)) > 0.15).any()  # the flow's own are far off


@pytest.mark.parametrize("kind", [("autoregressive", "none"), ("autoregressive", "exact")])
def test_a_distance_error_changes_only_its_own_cluster(
    kind: tuple[str, str],
) -> None:
    given, of = rows(), engine(*kind)
    neglected = of.infer(given)
    error = np.zeros(6)
    assert_same(of.infer({**given, "distance_error": error}), neglected)
    error[2] = 0.3
    found = of.infer({**given, "distance_error": error})
    others = [0, 1, 3, 4, 5]
    assert_same({k: v[others] for k, v in found.items()}, {k: v[others] for k, v in neglected.items()})
    assert np.isfinite(found["theta"][2]).all()
    assert (found["predictive_mean"][2] != neglected["predictive_mean"][2]).all()
    assert ("log_weight" in found) == (kind[1] == "exact")
    if "log_weight" in found:
        assert (found["log_weight"][2] != neglected["log_weight"][2]).any()


def test_refined_clusters_include_the_distance_error() -> None:
    given = rows(2)
    narrow = engine("autoregressive", "exact", refine=True).infer(given)
    wide = engine("autoregressive", "exact", refine=True).infer({**given, "distance_error": np.full(2, 0.1)})
    both = (narrow["refined"] == Refined.EXACT_GRID) & (wide["refined"] == Refined.EXACT_GRID)
    assert both.any()  # an untrained flow needs the grid
    expected = np.hypot(narrow["std"][both, 1], 0.2)
    inside = (narrow["mean"][both, 1] > 3) & (narrow["mean"][both, 1] < 7)
    assert inside.any()
    np.testing.assert_allclose(wide["std"][both, 1][inside], expected[inside], rtol=0.35)
    np.testing.assert_allclose(wide["mode"][both, 0], narrow["mode"][both, 0], atol=0.3)


def test_inference_does_not_import_the_storage() -> None:
    code = "import sys, hpcflow.posterior.inference; assert 'zarr' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
