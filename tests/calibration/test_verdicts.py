"""Default requirements on a toy whose exact posterior is known: right, wide, narrow, shifted, of other clusters."""

import numpy as np
import pytest
import torch
import xarray as xr

from hpcflow.calibration.findings import Finding
from hpcflow.calibration.statistics import calibrate, denser, nearer, product_names
from hpcflow.calibration.verdicts import Verdict, judge
from hpcflow.config.sections import Require

NAMES = ["log_age", "log_mass", "ebv"]
SAMPLES = 100
LIMITS = Require().model_dump()
LOOSE = 1e9
SOURCES = [  # what each requirement is computed from
    ("ecdf", "rank"),
    ("ecdf", "rank_product"),
    ("coverage", "rank"),
    ("regions", "denser"),
    ("tarp", "nearer"),
    ("strata", "rank"),
    ("strata", "denser"),
    ("local", "rank"),
    ("local", "x"),
    ("local", "location"),
    ("local", "scale"),
    ("regression", "log_q"),
    ("regression", "truth"),
    ("regression", "x"),
    ("gap", "gap"),
    ("c2st", "c2st"),
]


def record(
    width: float = 1.0, shift: float = 0.0, swap: bool = False, n: int = 10_000, gap: float = 0.3, blur: float = 0.0
) -> xr.Dataset:
    """Return the record of posteriors N(x / 2, 1/2) of theta ~ N(0, 1), x ~ N(theta, 1), spoiled.

    Those blurred are right, but of x with more noise of so many standard deviations: they could know more.
    """
    generator = torch.Generator().manual_seed(3)
    truth, error = torch.randn((2, n, 3), generator=generator)
    x, more = truth + error, torch.randn((n, 3), generator=torch.Generator().manual_seed(4))
    sigma = width * ((1 + blur**2) / (2 + blur**2)) ** 0.5
    mean = (x + blur * more) / (2 + blur**2) + shift * sigma
    mean = mean.roll(1, dims=0) if swap else mean
    samples = mean[:, None] + sigma * torch.randn((n, SAMPLES, 3), generator=generator)
    found = calibrate(truth, samples, (0.16, 0.5, 0.84))
    away = (((truth - mean) / sigma) ** 2).sum(dim=-1)
    peak = -3 * np.log(sigma * (2 * np.pi) ** 0.5)
    log_q = peak - away / 2, peak - (((samples - mean[:, None]) / sigma) ** 2).sum(dim=-1) / 2
    rng = np.random.default_rng(1)
    row, marginals = ("simulation",), ("simulation", "parameter")
    variables = {
        "truth": (marginals, truth.numpy()),
        "x": (("simulation", "feature"), x.numpy()),
        "location": (marginals, mean.numpy()),
        "scale": (marginals, np.full((n, 3), sigma)),
        "log_q": (row, log_q[0].numpy()),
        "rank": (marginals, found["rank"]),
        "rank_product": (("simulation", "statistic"), found["rank_product"]),
        "quantile": (("simulation", "quantile", "parameter"), found["quantile"]),
        "denser": (row, denser(*log_q)),
        "nearer": (row, nearer(truth, samples, torch.randn((n, 3), generator=generator))),
        "error": (row, rng.uniform(0.05, 0.5, n)),
        "distance": (row, rng.uniform(1, 30, n)),
        "pattern": (row, rng.choice([3, 7], n), {"bands": ["U", "V", "I"]}),
        "log_p": (row, np.zeros(n)),
        "gap": (marginals, rng.normal(gap / 3, 1, (n, 3)), {"order": NAMES}),
        "kl": (row, rng.normal(gap, 1, n)),
        "wasserstein": (marginals, np.full((n, 3), 0.2)),
        "wasserstein_exact": (marginals, np.full((n, 3), 0.1)),
        "c2st": (row, rng.normal(0.52, 0.02, n)),
    }
    attrs = {"samples": SAMPLES, "exact": n}
    return xr.Dataset(variables, {"parameter": NAMES, "statistic": product_names(NAMES)}, attrs)


def failed(ds: xr.Dataset) -> set[str]:
    return {verdict.finding.key for verdict in judge(ds, LIMITS) if not verdict.good}


@pytest.mark.parametrize("n", [100, 1000, 10_000])
def test_an_exact_posterior_passes(n: int) -> None:
    verdicts = judge(record(n=n), LIMITS)
    assert [str(verdict) for verdict in verdicts if not verdict.good] == []
    assert {verdict.finding.key for verdict in verdicts} == set(LIMITS) - {"c2st"}
    assert len(verdicts) == 6 + 3 + 2 + 1 + 3 + 1 + 1  # one for all strata


@pytest.mark.parametrize(
    ("spoil", "seen"),
    [
        ({"width": 1.2}, {"coverage", "regions", "tarp"}),
        ({"width": 0.8}, {"coverage", "regions", "tarp"}),
        ({"shift": 0.1}, {"ecdf"}),
        ({"shift": -0.1}, {"ecdf"}),
        ({"swap": True}, {"ecdf", "coverage", "regions", "tarp"}),
        ({"gap": 2.0}, {"gap"}),
    ],
)
def test_spoiled_posteriors_are_caught(spoil: dict[str, float], seen: set[str]) -> None:
    assert seen <= failed(record(**spoil))


@pytest.mark.parametrize("blur", [1.0, 100.0])
def test_calibrated_posteriors_that_learned_little_or_nothing_are_caught(blur: float) -> None:
    found = failed(record(blur=blur))  # a hundred times the noise leaves the prior
    assert {"local", "regression"} <= found
    assert not found & {"ecdf", "coverage", "regions", "tarp", "strata"}


def test_posteriors_that_are_wrong_for_one_kind_alone_are_caught() -> None:
    ds = record()
    far = ds["distance"].values > 20
    ds["rank"][far] = ds["rank"].values[far] ** 1.3
    others = {verdict.finding.key for verdict in judge(ds, {**LIMITS, "strata": None}) if not verdict.good}
    (verdict,) = judge(ds, {"strata": LIMITS["strata"]})
    assert not verdict.good
    assert str(verdict).startswith("in the stratum 20 Mpc <= distance, ranks or coverage are off by")
    assert "coverage" not in others


def test_small_errors_pass() -> None:
    assert failed(record(width=1.03, shift=0.02)) == set()


def test_too_few_simulations_prove_nothing_and_that_is_said() -> None:
    verdicts = judge(record(shift=0.1, n=100), LIMITS)
    assert all(verdict.good for verdict in verdicts)
    assert "so few simulations" in str(verdicts[0])


def test_what_is_not_required_is_not_judged() -> None:
    assert judge(record(swap=True, n=200), dict.fromkeys(LIMITS)) == []
    assert {v.finding.key for v in judge(record(n=200), {"c2st": 0.55})} == {"c2st"}


def test_flow_and_exact_posterior_may_be_required_to_be_alike() -> None:
    assert judge(record(n=1000), {"c2st": 0.55})[0].good
    assert not judge(record(n=1000), {"c2st": 0.51})[0].good


def test_what_fails_says_by_how_much() -> None:
    verdict = Verdict(Finding("ecdf", "ebv", 0.5, 100, by_chance=0.2), 0.1)
    assert not verdict.good and verdict.excess == 2.5
    assert str(verdict) == "ranks of ebv are off by 0.5000, more than validate.require.ecdf = 0.1 allows"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("key", "variable"), SOURCES)
def test_a_number_that_is_not_finite_counts_against_the_flow(key: str, variable: str, value: float) -> None:
    assert judge(record(n=100), {key: LOOSE}), "so that there is something to fail"
    assert all(verdict.good for verdict in judge(record(n=100), {key: LOOSE}))
    ds = record(n=100)
    ds[variable][17] = value
    said = [str(verdict) for verdict in judge(ds, {key: LOOSE}) if not verdict.good]
    assert said
    assert all("is not a finite number" in text and f"validate.require.{key} = " in text for text in said)


def test_every_requirement_is_tried_with_numbers_that_are_not_finite() -> None:
    assert {key for key, _ in SOURCES} == set(LIMITS)
