"""Exact posteriors as a proposal: the same archive without a flow."""

from functools import cache

import numpy as np
import pytest
from scipy import stats

from clusters import archive_rows, cluster_observer
from hpcflow.model.filters import load_curve
from hpcflow.model.observe import Photometry
from hpcflow.model.prior import Parameter, Prior
from hpcflow.model.tables import load_ssp, shipped_tables
from hpcflow.posterior.exact import ExactModel
from hpcflow.posterior.inference import Inference, Settings
from hpcflow.posterior.likelihood import Likelihood
from hpcflow.posterior.proposal import ExactProposal
from hpcflow.posterior.support import Support
from hpcflow.posterior.target import Target
from hpcflow.sources.cluster.ssp import SspSimulator
from hpcflow.store.flags import Flag
from hpcflow.store.schema import QUANTILES

PRIOR = Prior((Parameter("log_age", 6, 10.1383), Parameter("log_mass", 2, 8), Parameter("ebv", 0, 1.5)))
BANDS = ("F275W", "F336W", "F438W", "F555W", "F814W")
Rows = dict[str, np.ndarray]
noises = pytest.mark.parametrize("noise", ["normal", "lognormal"])


@cache
def model(noise: str) -> ExactModel:
    curves = {band: load_curve(f"WFC3_UVIS.{band}") for band in BANDS}
    simulator = SspSimulator(load_ssp(shipped_tables()[0], 0.02), curves)
    observer = cluster_observer(noise, (0.05, 0.5), missing=0.1, undetected=0.1 if noise == "normal" else 0.0)
    return ExactModel(Likelihood(simulator, PRIOR, observer))


@cache
def engine(noise: str) -> Inference:
    likelihood = model(noise).likelihood
    theta = PRIOR.select(["log_age", "ebv"]).sample(2000, np.random.default_rng(1))
    observer = cluster_observer(noise, (0.05, 0.5), missing=0.1)
    support = Support.of_library(observer, likelihood.simulator(theta), (2.0, 8.0))
    settings = Settings(samples=1024, keep=400, predictive=100, modes=3, seed=5, polish="exact", exact=True)
    return Inference(ExactProposal(model(noise), 5), likelihood.simulator, support, settings, Target(likelihood))


def rows(noise: str, n: int = 6) -> Rows:
    rng = np.random.default_rng(2)
    theta = PRIOR.sample(n, rng)
    unit = model(noise).likelihood.simulator(theta[:, [0, 2]])
    return archive_rows(cluster_observer(noise, (0.05, 0.3))(unit, theta[:, 1], rng))


@noises
def test_a_cluster_is_the_same_alone_and_in_any_order(noise: str) -> None:
    given, of = rows(noise), engine(noise)
    together = of.infer(given)
    assert np.isfinite(together["theta"]).all()
    for chosen in ([0], [5], [4, 2, 0, 5, 1, 3]):
        found = of.infer({k: v[chosen] for k, v in given.items()})
        for name in found:
            np.testing.assert_array_equal(found[name], together[name][chosen], err_msg=name)


@noises
def test_samples_densities_and_evidence_are_those_of_the_exact_posterior(noise: str) -> None:
    given = rows(noise)
    found = engine(noise).infer(given)
    assert (found["efficiency"] > 0.8).all()
    scale = model(noise).likelihood.forward.scale
    for i in range(len(given["flux"])):
        seen = given["flux"], given["sigma"], given["observed"], scale.stacked(given)
        posterior = model(noise).posterior(Photometry(*(a[i : i + 1] for a in seen)))
        assert found["log_evidence"][i] == pytest.approx(posterior.log_evidence, abs=0.02)
        np.testing.assert_allclose(found["log_q"][i], posterior.log_prob(found["theta"][i]), atol=0.03)
        assert found["mode_log_q"][i, 0] >= found["log_q"][i].max() - 0.01
        samples = posterior.sample(20_000, np.random.default_rng(1))
        away = np.abs(found["quantile"][i] - np.quantile(samples, QUANTILES, axis=0)) / samples.std(axis=0)
        assert np.median(away) < 0.03
        for d in range(3):
            assert stats.ks_2samp(found["theta"][i, :, d], samples[:, d]).statistic < 0.07


@noises
def test_errors_of_distances_widen_masses_and_nothing_else(noise: str) -> None:
    given = rows(noise)
    best, spread = engine(noise).infer(given), engine(noise).infer({**given, "distance_error": np.full(6, 0.1)})
    inside = (best["quantile"][:, 0, 1] > 2.8) & (best["quantile"][:, 2, 1] < 7.2)  # no distance leads out of the prior
    clear = np.flatnonzero((best["prior_edge"] == 0).all(axis=1) & inside)
    assert len(clear) >= 2
    np.testing.assert_allclose(spread["std"][clear, 1], np.hypot(best["std"][clear, 1], 0.2), rtol=0.15)
    np.testing.assert_allclose(spread["mean"][clear][:, [0, 2]], best["mean"][clear][:, [0, 2]], atol=0.05)
    assert (spread["efficiency"][clear] > 0.8).all()


def test_photometry_that_no_cluster_has_is_flagged_and_stops_nothing() -> None:
    given = rows("lognormal")
    given["flux"][2] *= np.array([1e9, 1, 1, 1, 1e9])
    given["sigma"][2] = 0.1 * given["flux"][2]
    found = engine("lognormal").infer(given)
    assert found["flag"][2] & Flag.IMPOSSIBLE
    assert np.isnan(found["map"][2]).all()
    assert np.isfinite(found["map"][[0, 1, 3, 4, 5]]).all()
