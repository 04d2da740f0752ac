from __future__ import annotations

import csv
import io
import math
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from clusters import cluster_estimator, cluster_observer
from hpcflow.base.errors import HpcflowError, InputError, Interrupted
from hpcflow.base.signals import STOPPING
from hpcflow.flow import training as module
from hpcflow.flow.batches import Batch, Library, generator_for
from hpcflow.flow.distributed import Ranks
from hpcflow.flow.estimator import Estimator
from hpcflow.flow.families import FAMILIES
from hpcflow.flow.header import read_header
from hpcflow.flow.randomness import Slice
from hpcflow.flow.training import Progress, Schedule, history_csv, train
from hpcflow.model.prior import Parameter, Prior

torch.set_num_threads(1)

PRIOR = Prior((Parameter("log_age", 6, 10.0), Parameter("log_mass", 2, 8), Parameter("ebv", 0, 1.5)))
SCHEDULE = Schedule(
    steps=60,
    batch=64,
    optimizer="adamw",
    learning_rate=1e-2,
    warmup=5,
    weight_decay=0.0,
    average=0.8,
    clip=5.0,
    validate_every=10,
    patience=100,
    seed=3,
)
RATES = {"adamw": 1e-2, "muon": 5e-2}
FLOWS = {
    "autoregressive": {"bins": 4, "hidden": 8, "rank": 4, "frequencies": 2, "embedding_hidden": 16},
    "cinn": {"blocks": 2, "hidden": 8, "layers": 1, "embedding": 4, "embedding_hidden": 8, "embedding_layers": 1},
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PILOT", 2000)


def library(seed: int, n: int = 1000, broken: bool = False, frozen: int | None = None) -> Library:
    """Return toy clusters, which fade with age and redden with dust."""
    theta = PRIOR.select(["log_age", "ebv"]).sample(n, np.random.default_rng(seed))
    age, ebv = theta.T
    bands = np.array([4.0, 3.0, 2.0])
    flux = 10 ** (10 - 0.7 * (age[:, None] - 6) - 0.4 * ebv[:, None] * bands + 0.1 * bands * (10 - age[:, None]))
    if broken:
        flux[::7] = np.nan
    observer = cluster_observer(relative_error=(0.02, 0.1))
    return Library(
        torch.from_numpy(theta).float(), torch.from_numpy(flux).float(), ["log_age", "ebv"], PRIOR, observer, frozen
    )


def held_out(n: int = 100) -> Batch:
    return library(2, n).first(module.HELD_OUT, generator_for(SCHEDULE.seed, "held out"))


def estimator(family: str = "autoregressive", seed: int = 1) -> Estimator:
    torch.manual_seed(seed)
    return cluster_estimator(PRIOR, ("U", "V", "I"), "absolute", {"family": family, **FLOWS[family]})


def loss(of: Estimator) -> float:
    theta, photometry = held_out(500)
    with torch.no_grad():
        return -float(of.flow(theta, of.features(photometry)).double().mean())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("average", [0.0, 0.8])
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_the_loss_falls_and_the_best_weights_are_left(family: str, average: float, optimizer: str) -> None:
    made = estimator(family)
    schedule = replace(SCHEDULE, average=average, optimizer=optimizer, learning_rate=RATES[optimizer])
    history = train(made, library(1), held_out(500), schedule)
    assert [line.step for line in history] == [10, 20, 30, 40, 50, 60]
    assert [line.examples for line in history] == [640, 1280, 1920, 2560, 3200, 3840]
    assert history[-1].train_nll < history[0].train_nll - 0.5
    best = min(line.validation_nll for line in history)
    assert best < history[0].validation_nll
    assert loss(made) == pytest.approx(best, rel=1e-5)
    # a flow that has learned only the prior does no better than the prior's entropy
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
    # the same ten examples are learned by heart, so the best validation comes early
    schedule = replace(SCHEDULE, average=0.0, learning_rate=3e-2, steps=100, validate_every=5)
    made = estimator()
    history = train(made, library(1, n=10, frozen=1), held_out(500), schedule)
    losses = [line.validation_nll for line in history]
    assert min(losses) < losses[-1], "nothing to tell apart"
    assert loss(made) == pytest.approx(min(losses), rel=1e-5)


def test_training_stops_when_nothing_is_gained() -> None:
    # with a tiny learning rate, averages cannot improve for long
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


def test_nan_fluxes_are_an_error() -> None:
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


class Disturbed(Library):
    """A library that runs an action at some steps, once each."""

    events: dict[int, Callable[[Disturbed], None]]
    breaks: bool = False
    steps: list[int]

    def seek(self, step: int) -> None:
        self.steps = [*getattr(self, "steps", []), step]
        if event := self.events.pop(step, None):
            event(self)

    def gather(self, slices: Sequence[Slice]) -> Batch:
        theta, photometry = super().gather(slices)
        if self.breaks:
            self.breaks = False
            theta = theta * math.nan
        return Batch(theta, photometry)


def disturbed(**events: Sequence[int]) -> Disturbed:
    """Return a library that sends SIGTERM at the steps `stopped` and spoils its examples at the steps `broken`."""
    made = library(1)
    made.__class__ = Disturbed
    assert isinstance(made, Disturbed)

    def stop(_: Disturbed) -> None:
        signal.raise_signal(signal.SIGTERM)

    def spoil(each: Disturbed) -> None:
        each.breaks = True

    made.events = dict.fromkeys(events.get("stopped", ()), stop) | dict.fromkeys(events.get("broken", ()), spoil)
    return made


def lines(history: Sequence[Progress]) -> str:
    """Return the text of a history without its times."""
    return history_csv([replace(line, seconds=0.0, waited=0.0) for line in history])


def in_pieces(simulations: Library, keep: Path, schedule: Schedule = SCHEDULE) -> tuple[Estimator, str, int]:
    """Train, resuming after every stop; return the estimator, the history, and the number of stops."""
    for stops in range(100):
        made = estimator(seed=1 + stops)  # other weights every time, so that those of the state must be restored
        try:
            return made, lines(train(made, simulations, held_out(), schedule, keep=keep)), stops
        except Interrupted as e:
            assert "by SIGTERM; run the same command again to resume" in str(e)
            assert e.exit_code == 1
    raise AssertionError("it never ends")


def same(one: Estimator, other: Estimator) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


@pytest.mark.parametrize("average", [0.0, 0.8])
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_ten_stops_change_nothing(tmp_path: Path, average: float, optimizer: str) -> None:
    schedule = replace(SCHEDULE, average=average, optimizer=optimizer)
    straight = estimator()
    history = train(straight, library(1), held_out(), schedule)
    stops = [1, 2, 9, 10, 11, 20, 29, 35, 50, 59]
    simulations = disturbed(stopped=stops)
    made, text, count = in_pieces(simulations, tmp_path / "state", schedule)
    assert count == len(stops)
    assert simulations.steps[1:] == list(range(1, 61)), "no step is done twice"
    assert same(made, straight)
    assert text == lines(history)


def test_a_stop_at_the_last_step_is_ignored(tmp_path: Path) -> None:
    assert in_pieces(disturbed(stopped=[60]), tmp_path / "state")[2] == 0


def test_signal_handlers_are_restored(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in STOPPING]
    in_pieces(disturbed(stopped=[5]), tmp_path / "state", replace(SCHEDULE, steps=10))
    assert [signal.getsignal(number) for number in STOPPING] == before


def test_seconds_add_up_over_sessions(tmp_path: Path) -> None:
    keep = tmp_path / "state"
    with pytest.raises(Interrupted):
        train(estimator(), disturbed(stopped=[15]), held_out(), SCHEDULE, keep=keep)
    before = read_header(keep).counters.seconds
    assert before > 0
    history = train(estimator(), library(1), held_out(), SCHEDULE, keep=keep)
    seconds = [line.seconds for line in history]
    assert seconds == sorted(seconds)
    assert seconds[1] > before


def test_the_state_is_saved_regularly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK", 4)
    keep, saved = tmp_path / "state", list[int]()
    monkeypatch.setattr(module, "write_state", lambda path, state: saved.append(state.header.counters.step))
    train(estimator(), library(1), held_out(), replace(SCHEDULE, steps=20, checkpoint_minutes=0.0), keep=keep)
    assert saved == [4, 8, 10, 12, 16]
    saved.clear()
    train(estimator(), library(1), held_out(), replace(SCHEDULE, steps=20), keep=keep)
    assert saved == []


@pytest.mark.parametrize("change", [{"learning_rate": 1e-3}, {"steps": 61}, {"seed": 4}, {"precision": "bfloat16"}])
def test_the_state_of_another_schedule_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    keep = tmp_path / "state"
    with pytest.raises(Interrupted):
        train(estimator(), disturbed(stopped=[15]), held_out(), SCHEDULE, keep=keep)
    with pytest.raises(InputError, match="another schedule"):
        train(estimator(), library(1), held_out(), replace(SCHEDULE, **change), keep=keep)
    with pytest.raises(InputError, match="another settings and shapes"):
        train(estimator("cinn"), library(1), held_out(), SCHEDULE, keep=keep)


def test_training_goes_back_when_it_diverges(caplog: pytest.LogCaptureFixture) -> None:
    simulations = disturbed(broken=[15, 33])
    made = estimator()
    history = train(made, simulations, held_out(), SCHEDULE)
    assert [line.step for line in history] == [10, 20, 30, 40, 50, 60]
    assert [line.rollbacks for line in history] == [0, 1, 1, 2, 2, 2]
    # noticed at the next validation, and sent back to the last one
    expected = [*range(1, 21), *range(11, 41), *range(31, 61)]
    assert simulations.steps[1:] == expected
    halves = [line.learning_rate / (SCHEDULE.learning_rate * SCHEDULE.rate(line.step - 1)) for line in history]
    assert halves == pytest.approx([1, 0.5, 0.5, 0.25, 0.25, 0.25])
    assert [record.getMessage()[:50] for record in caplog.records] == [
        "train: diverged near step 20; went back to step 10",
        "train: diverged near step 40; went back to step 30",
    ]
    assert all(bool(tensor.isfinite().all()) for tensor in made.state_dict().values())


@pytest.mark.parametrize("stopped", [[12, 14, 15, 16, 18], [15], [16], [5, 20, 22]])
def test_a_stop_before_divergence_is_noticed_changes_nothing(tmp_path: Path, stopped: list[int]) -> None:
    straight = estimator()
    history = train(straight, disturbed(broken=[15]), held_out(), SCHEDULE)
    simulations = disturbed(broken=[15], stopped=[step for step in stopped if step != 15])
    if 15 in stopped:  # stopped in the very step that is spoiled
        simulations.events[15] = lambda each: (setattr(each, "breaks", True), signal.raise_signal(signal.SIGTERM))[0]
    made, text, count = in_pieces(simulations, tmp_path / "state")
    assert count == len(stopped)
    assert same(made, straight)
    assert text == lines(history)


def test_saved_weights_are_finite(tmp_path: Path) -> None:
    keep = tmp_path / "state"
    simulations = disturbed(broken=[15], stopped=[17])
    with pytest.raises(Interrupted, match="stopped at step 10 of 60"):
        train(estimator(), simulations, held_out(), SCHEDULE, keep=keep)
    assert all(bool(tensor.isfinite().all()) for tensor in load_file(keep).values())
    assert read_header(keep).counters.rollbacks == 1


def test_the_state_is_removed_after_divergence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep = tmp_path / "state"
    schedule = replace(SCHEDULE, checkpoint_minutes=0.0)
    # good until step 10, then NaN only
    simulations = library(1)

    def nothing(slices: Sequence[Slice]) -> Batch:
        theta, photometry = Library.gather(simulations, slices)
        return Batch(theta * math.nan, photometry)

    def report(line: Progress) -> None:
        monkeypatch.setattr(simulations, "gather", nothing)

    with pytest.raises(HpcflowError, match=r"diverged near step 20.*lower train\.learning_rate") as e:
        train(estimator(), simulations, held_out(), schedule, keep=keep, report=report)
    assert e.value.exit_code == 1
    assert not keep.exists()


def test_the_gap_is_the_excess_of_the_exact_density() -> None:
    made = estimator()
    # validated on the last weights, the only ones there are
    schedule = replace(SCHEDULE, steps=5, average=0.0)
    exact = torch.linspace(-3, 3, 70)
    (line,) = train(made, library(1), held_out(), schedule, exact=exact)
    theta, photometry = held_out()
    with torch.no_grad():
        log_q = made.flow(theta, made.features(photometry))
    assert line.gap == pytest.approx(float((exact - log_q[:70]).mean()), rel=1e-4)
    assert math.isnan(train(estimator(), library(1), held_out(), schedule)[0].gap)


def test_more_ranks_than_examples_are_refused() -> None:
    with pytest.raises(InputError, match="batch is 64, less than one example for each of 65 ranks"):
        train(estimator(), library(1), held_out(), SCHEDULE, ranks=Ranks(0, 65))


def test_bfloat16_learns_almost_the_same() -> None:
    losses = []
    for precision in ("float32", "bfloat16"):
        made = estimator()
        train(made, library(1), held_out(500), replace(SCHEDULE, precision=precision))
        losses.append(loss(made))
        assert all(p.dtype == torch.float32 for p in made.parameters())
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], abs=0.1)


def test_a_compiled_density_learns_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    # without code generation, which takes a minute: this tests that the flow can be traced
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    made = [estimator(), estimator()]
    for each, compiled in zip(made, (False, True), strict=True):
        train(each, library(1), held_out(), replace(SCHEDULE, steps=10, compile=compiled))
    one, two = (each.state_dict() for each in made)
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-3, atol=1e-3)
