from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from clusters import cluster_observer, distance
from hpcflow.base.errors import InputError
from hpcflow.model.observe import Observer, Photometry
from hpcflow.model.prior import Parameter, Prior
from hpcflow.posterior.exact import ExactModel, ExactPosterior
from hpcflow.posterior.likelihood import Likelihood
from hpcflow.sources.cluster.simulators import build_ssp

PRIOR = Prior((Parameter("log_age", 6, 10.1383), Parameter("log_mass", 2, 8), Parameter("ebv", 0, 1.5)))
BANDS = ("WFC3_UVIS.F275W", "WFC3_UVIS.F336W", "WFC3_UVIS.F438W", "WFC3_UVIS.F814W")
NOISES: dict[str, dict[str, Any]] = {
    "lognormal": {"noise": "lognormal"},
    "lognormal, log errors": {"noise": "lognormal", "relative_error_scale": "log"},
    "normal": {"noise": "normal"},
    "upper limits": {"noise": "normal", "undetected": 0.3},
}
LAWS = pytest.mark.parametrize("noise", NOISES)


def observer(noise: str = "lognormal", error: tuple[float, float] = (0.05, 0.5)) -> Observer:
    return cluster_observer(**NOISES[noise], relative_error=error, missing=0.1)


@cache
def model(noise: str = "lognormal", ages: str = "continuous", error: tuple[float, float] = (0.05, 0.5)) -> ExactModel:
    simulator = build_ssp(
        ssp="bc03_miles_kroupa",
        bands={b: b for b in BANDS},
        parameters=("log_age", "ebv"),
        fixed={"r_v": 3.1, "metallicity": 0.02},
        ages=ages,
        extinction="odonnell94",
    )
    return ExactModel(Likelihood(simulator, PRIOR, observer(noise, error)))


def pairs(made: ExactModel, n: int, seed: int, noise: str = "lognormal") -> tuple[np.ndarray, list[Photometry]]:
    """Return n parameter vectors (n, 3) and one observation of each."""
    rng = np.random.default_rng(seed)
    theta = PRIOR.sample(n, rng)
    photometry = observer(noise)(made.likelihood.simulator(theta[:, [0, 2]]), theta[:, 1], rng)
    return theta, [Photometry(*(a[i : i + 1] for a in photometry)) for i in range(n)]


def brute_force(made: ExactModel, one: Photometry, near: np.ndarray, n: int = 80) -> float:
    """Return the log-evidence by a plain sum over a box of n^3 points around the posterior's samples `near`."""
    low = np.maximum(near.min(axis=0) - 0.3 * np.ptp(near, axis=0), PRIOR.low)
    high = np.minimum(near.max(axis=0) + 0.3 * np.ptp(near, axis=0), PRIOR.high)
    age, mass, ebv = (lo + (hi - lo) * (np.arange(n) + 0.5) / n for lo, hi in zip(low, high, strict=True))
    plane = np.column_stack([np.repeat(age, n), np.tile(ebv, n)])
    unit = np.log(made.likelihood.simulator(plane))
    size = np.log(10**mass * (1e-5 / distance(one)) ** 2)
    terms = made.likelihood.of_fluxes((unit[:, None] + size[:, None]).reshape(1, n**3, -1), one)
    width = (PRIOR.high - PRIOR.low).prod()
    return float(logsumexp(terms) + np.log((high - low) / n).sum() - np.log(width))


@LAWS
def test_the_evidence_agrees_with_brute_force_at_any_resolution(noise: str) -> None:
    made = model(noise)
    finer = ExactModel.__new__(ExactModel)
    finer.__dict__.update(made.__dict__, resolved=made.resolved / 2, nodes=2 * made.nodes)
    _, observed = pairs(made, 20, 1, noise)
    rng = np.random.default_rng(2)
    moved, missed = [], []
    for i, one in enumerate(observed):
        found = made.posterior(one)
        moved.append(found.log_evidence - finer.posterior(one).log_evidence)
        if i < 8:
            missed.append(found.log_evidence - brute_force(made, one, found.sample(2000, rng)))
        assert found.unresolved == 0
    assert abs(np.mean(moved)) < 0.002
    assert np.abs(moved).max() < 0.05
    assert np.abs(missed).max() < 0.06  # a box of 60^3 points is the coarser of the two
    assert abs(np.mean(missed)) < 0.03


@LAWS
def test_simulation_based_calibration(noise: str) -> None:
    made, draws = model(noise), 99
    theta, observed = pairs(made, 400, 3, noise)
    rng = np.random.default_rng(4)
    samples = np.stack([made.posterior(one).sample(draws, rng) for one in observed])
    pair = [(0, 1), (1, 2), (0, 2)]
    statistics = [(theta[:, d], samples[..., d]) for d in range(3)]
    statistics += [(theta[:, a] * theta[:, b], samples[..., a] * samples[..., b]) for a, b in pair]
    for truth, drawn in statistics:
        rank = (drawn < truth[:, None]).sum(axis=1)
        assert stats.chisquare(np.bincount(rank // 10, minlength=10)).pvalue > 1e-3


def test_a_posterior_of_another_range_of_errors_fails_calibration() -> None:
    # the check above can fail: errors of 30-50 % assumed where they are 5-50 %
    wrong, right = model(error=(0.3, 0.5)), model()
    theta, observed = pairs(right, 300, 3)
    rng = np.random.default_rng(4)
    found = [(t, wrong.posterior(one)) for t, one in zip(theta, observed, strict=True)]
    possible = [(t, p) for t, p in found if np.isfinite(p.log_evidence)]
    assert len(possible) < len(found)  # some are rightly impossible
    rank = np.array([(p.sample(99, rng)[:, 2] < t[2]).sum() for t, p in possible])
    assert stats.chisquare(np.bincount(rank // 10, minlength=10), None).pvalue < 1e-3


def test_samples_follow_the_density() -> None:
    made = model()
    _, observed = pairs(made, 12, 5)
    rng = np.random.default_rng(6)
    for one in observed:
        found = made.posterior(one)
        samples = found.sample(4000, rng)
        log_p = found.log_prob(samples)
        # rarely, samples fall beyond an edge by up to a cell's width
        assert np.isfinite(log_p).mean() > 0.995
        centre, spread = np.median(samples, axis=0), samples.std(axis=0) / 3
        inside = (np.abs(samples - centre) < spread).all(axis=1)
        low, high = np.maximum(centre - spread, PRIOR.low), np.minimum(centre + spread, PRIOR.high)
        box = low + (high - low) * rng.random((20_000, 3))
        mass = np.exp(found.log_prob(box)).mean() * (high - low).prod()
        assert inside.mean() == pytest.approx(mass, abs=5 * np.sqrt(mass / 4000) + 0.01)


def test_the_chain_rule_adds_up_and_its_samples_keep_the_fixed_parameters() -> None:
    made = model()
    theta, observed = pairs(made, 10, 7)
    rng = np.random.default_rng(8)
    for point, one in zip(theta, observed, strict=True):
        found = made.posterior(one)
        chain = found.chain(point, 4000, rng)
        assert chain.log_p[-1] == found.log_prob(point[None])[0]
        first, second = chain.given
        assert (first[:, 0] == point[0]).all()
        assert (second[:, [0, 2]] == point[[0, 2]]).all()
        # E[1] = 1: the conditional density is normalised over the box of its own samples
        mass = second[:, 1]
        grid = np.linspace(mass.min() - 0.5, mass.max() + 0.5, 4001)
        line = np.column_stack([np.full(4001, point[0]), grid, np.full(4001, point[2])])
        total = np.trapezoid(np.exp(found.log_prob(line) - chain.log_p[1]), grid)
        assert total == pytest.approx(1, abs=0.02)


def test_the_marginal_agrees_with_the_fraction_of_samples() -> None:
    made = model()
    theta, observed = pairs(made, 4, 7)
    rng = np.random.default_rng(8)
    for point, one in zip(theta, observed, strict=True):
        found = made.posterior(one)
        samples = found.sample(10_000, rng)[:, 0]
        low, high = np.quantile(samples, [0.3, 0.6])
        ages = np.linspace(low, high, 41)
        density = [np.exp(found.chain(np.array([age, *point[1:]]), 1, rng).log_p[0]) for age in ages]
        assert np.trapezoid(density, ages) == pytest.approx(0.3, abs=0.02)


def test_no_point_is_higher_than_the_first_mode() -> None:
    made = model()
    _, observed = pairs(made, 8, 13)
    rng = np.random.default_rng(14)
    several = 0
    for one in observed:
        found = made.posterior(one)
        modes = found.modes(3, rng)
        heights = found.log_prob(modes)
        assert (np.diff(heights) <= 0).all()
        samples = found.sample(5000, rng)
        assert heights[0] >= found.log_prob(samples).max() - 1e-6
        for mode in modes:  # no point nearby is noticeably higher
            near = mode + 0.02 * samples.std(axis=0) * rng.standard_normal((500, 3))
            assert found.log_prob(near).max() <= found.log_prob(mode[None])[0] + 0.01
        several += len(modes) > 1
    assert several > 0


def test_ages_of_one_myr_are_recovered() -> None:
    made = model(ages="cigale")
    theta, observed = pairs(made, 30, 9)
    rng = np.random.default_rng(10)
    rank = []
    for point, one in zip(theta, observed, strict=True):
        found = made.posterior(one)
        assert np.isfinite(found.log_prob(point[None])).all()
        rank.append((found.sample(200, rng)[:, 0] < point[0]).mean())
    assert stats.kstest(rank, "uniform").pvalue > 1e-3


def test_photometry_that_no_error_explains_has_no_evidence() -> None:
    made = model(error=(0.05, 0.5))
    _, (one, *_) = pairs(made, 1, 11)
    # errors of 0.1 % are never drawn, and a flux for which they are 5 % is far from the observation
    tiny = one._replace(sigma=one.flux * 1e-6)
    found = made.posterior(tiny)
    assert not found.log_evidence > -1e4


def test_other_models_are_refused() -> None:
    simulator = build_ssp(
        ssp="bc03_miles_kroupa",
        bands={b: b for b in BANDS},
        parameters=("log_age", "ebv", "r_v"),
        fixed={"metallicity": 0.02},
        ages="continuous",
        extinction="odonnell94",
    )
    prior = Prior((*PRIOR.parameters, Parameter("r_v", 2, 5)))
    with pytest.raises(InputError, match="two parameters"):
        ExactModel(Likelihood(simulator, prior, cluster_observer()))


def test_a_model_without_flux_in_part_of_the_prior_is_refused() -> None:
    prior = Prior((Parameter("log_age", 6, 10.9), *PRIOR.parameters[1:]))  # older than the table
    with pytest.raises(InputError, match="narrow the bounds"):
        ExactModel(Likelihood(model().likelihood.simulator, prior, cluster_observer()))


def test_one_cluster_does_not_depend_on_its_neighbours() -> None:
    made = model()
    _, observed = pairs(made, 3, 12)
    alone = made.posterior(observed[1]).log_evidence
    for one in observed:
        made.posterior(one)
    again: ExactPosterior = made.posterior(observed[1])
    assert again.log_evidence == alone
