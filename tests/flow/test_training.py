import csv
import io
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from hpcflow.errors import HpcflowError
from hpcflow.flow import training as module
from hpcflow.flow.batches import Batch, Library, generator_for
from hpcflow.flow.estimator import Estimator
from hpcflow.flow.families import FAMILIES
from hpcflow.flow.training import Progress, Schedule, history_csv, train
from hpcflow.model.observe import Observer
from hpcflow.model.prior import Parameter, Prior

torch.set_num_threads(1)

PRIOR = Prior((Parameter("log_age", 6, 10.0), Parameter("log_mass", 2, 8), Parameter("ebv", 0, 1.5)))
SCHEDULE = Schedule(
    steps=60,
    batch=64,
    learning_rate=1e-2,
    warmup=5,
    weight_decay=0.0,
    average=0.8,
    clip=5.0,
    validate_every=10,
    patience=100,
    seed=3,
)
FLOWS = {
    "autoregressive": {"bins": 4, "hidden": 8, "rank": 4, "frequencies": 2, "embedding_hidden": 16},
    "cinn": {"blocks": 2, "hidden": 8, "layers": 1, "embedding": 4, "embedding_hidden": 8, "embedding_layers": 1},
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PILOT", 2000)


def library(seed: int, n: int = 1000, broken: bool = False, frozen: int | None = None) -> Library:
    """Return toy clusters: they fade with age and redden with dust."""
    theta = PRIOR.select(["log_age", "ebv"]).sample(n, np.random.default_rng(seed))
    age, ebv = theta.T
    bands = np.array([4.0, 3.0, 2.0])
    flux = 10 ** (10 - 0.7 * (age[:, None] - 6) - 0.4 * ebv[:, None] * bands + 0.1 * bands * (10 - age[:, None]))
    if broken:
        flux[::7] = np.nan
    observer = Observer(relative_error=(0.02, 0.1))
    return Library(
        torch.from_numpy(theta).float(), torch.from_numpy(flux).float(), ["log_age", "ebv"], PRIOR, observer, frozen
    )


def held_out(n: int = 100) -> Batch:
    return library(2, n).first(module.HELD_OUT, generator_for(SCHEDULE.seed, "held out"))


def estimator(family: str = "autoregressive", seed: int = 1) -> Estimator:
    torch.manual_seed(seed)
    return Estimator(PRIOR, ("U", "V", "I"), "absolute", {"family": family, **FLOWS[family]})


def loss(of: Estimator) -> float:
    theta, photometry = held_out(500)
    with torch.no_grad():
        return -float(of.flow(theta, of.features(photometry)).double().mean())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("average", [0.0, 0.8])
def test_the_loss_falls_and_the_best_weights_are_left(family: str, average: float) -> None:
    made = estimator(family)
    history = train(made, library(1), held_out(500), replace(SCHEDULE, average=average))
    assert [line.step for line in history] == [10, 20, 30, 40, 50, 60]
    assert [line.examples for line in history] == [640, 1280, 1920, 2560, 3200, 3840]
    assert history[-1].train_nll < history[0].train_nll - 0.5
    best = min(line.validation_nll for line in history)
    assert best < history[0].validation_nll
    assert loss(made) == pytest.approx(best, rel=1e-5)
    # a flow that knows nothing but the prior does no better than the prior's own entropy
    assert best < -float(PRIOR.log_prob(np.array([[8.0, 5.0, 0.7]]))[0])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_seed_gives_the_same_weights_and_another_does_not(family: str) -> None:
    schedule = replace(SCHEDULE, steps=8, validate_every=4)
    made = [estimator(family) for _ in range(3)]
    histories = [
        train(each, library(1), held_out(100), replace(schedule, seed=seed))
        for each, seed in zip(made, (3, 3, 4), strict=True)
    ]
    one, two, other = (each.state_dict() for each in made)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)
    assert [line.validation_nll for line in histories[0]] == [line.validation_nll for line in histories[1]]


def test_weights_that_got_worse_are_not_kept() -> None:
    # ten examples, always the same, are learned by heart: the best validation comes early
    schedule = replace(SCHEDULE, average=0.0, learning_rate=3e-2, steps=100, validate_every=5)
    made = estimator()
    history = train(made, library(1, n=10, frozen=1), held_out(500), schedule)
    losses = [line.validation_nll for line in history]
    assert min(losses) < losses[-1], "nothing to tell apart"
    assert loss(made) == pytest.approx(min(losses), rel=1e-5)


def test_training_stops_when_nothing_is_gained() -> None:
    # with no learning rate to speak of, averages cannot gain for long
    schedule = replace(SCHEDULE, learning_rate=1e-30, average=0.0, patience=2, steps=1000)
    history = train(estimator(), library(1), held_out(100), schedule)
    assert len(history) <= 5
    losses = [line.validation_nll for line in history]
    assert min(losses) == losses[-3]


def test_every_validation_is_reported_as_it_happens() -> None:
    told: list[Progress] = []
    schedule = replace(SCHEDULE, steps=25)
    history = train(estimator(), library(1), held_out(100), schedule, report=told.append)
    assert told == history
    assert [line.step for line in history] == [10, 20, 25]
    assert all(a.seconds <= b.seconds for a, b in pairwise(history))


def test_fluxes_that_are_no_numbers_are_an_error() -> None:
    with pytest.raises(HpcflowError, match="diverged near step 10"):
        train(estimator(), library(1, broken=True), held_out(100), SCHEDULE)


def test_divergence_is_an_error() -> None:
    schedule = replace(SCHEDULE, learning_rate=1e30, clip=1e30, warmup=0, average=0.0)
    with pytest.raises(HpcflowError, match=r"lower train\.learning_rate"):
        train(estimator("autoregressive"), library(1), held_out(100), schedule)


def test_features_are_standardised_on_the_training_set() -> None:
    made = estimator()
    train(made, library(1), held_out(100), replace(SCHEDULE, steps=1))
    x = made.features(library(1).draw(4000, generator_for(9)).photometry)
    varies = x.std(dim=0) > 0
    assert x.mean(dim=0).abs().max() < 0.2
    assert (x.std(dim=0)[varies] - 1).abs().max() < 0.2


def test_the_learning_rate_rises_and_falls() -> None:
    schedule = replace(SCHEDULE, steps=1000, warmup=100)
    rates = np.array([schedule.rate(step) for step in range(1000)])
    top = int(rates.argmax())
    assert 90 <= top <= 110
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:]) < 0).all()
    assert rates[0] < 0.02
    assert 0.95 < rates.max() < 1.01
    assert 0 < rates[-1] < 1e-3
    assert replace(schedule, warmup=0).rate(0) == pytest.approx(1, abs=1e-3)


def test_the_history_is_a_table() -> None:
    history = [
        Progress(10, 640, 1.23456789, 2.5, math.nan, 1e-3, 0.1, 0.0, 0),
        Progress(20, 1280, -1.5, math.pi, 0.01, 5e-4, 12.0, 0.5, 1),
    ]
    rows = list(csv.DictReader(io.StringIO(history_csv(history))))
    assert [int(row["step"]) for row in rows] == [10, 20]
    assert [int(row["examples"]) for row in rows] == [640, 1280]
    assert float(rows[1]["validation_nll"]) == pytest.approx(math.pi, rel=1e-8)
    assert math.isnan(float(rows[0]["gap"]))
    assert list(rows[0]) == [
        *("step", "examples", "train_nll", "validation_nll", "gap", "learning_rate", "seconds", "waited", "rollbacks")
    ]
    assert history_csv([]).strip().split(",") == list(rows[0])
