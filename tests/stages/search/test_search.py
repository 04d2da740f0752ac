"""A search: N finished trials whatever was killed, poor ones stopped early, and the best written as a config."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from optuna.exceptions import TrialPruned
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from hpcflow.base.errors import FailedPartitionsError, HpcflowError, InputError
from hpcflow.base.lock import alone
from hpcflow.base.partitions import Partition
from hpcflow.compute.where import Here, InProcess
from hpcflow.config.load import Config, load_config
from hpcflow.stages.run import Run
from hpcflow.stages.search import search as module
from hpcflow.stages.search import trial as search_trial
from hpcflow.stages.search.results import Trial, best_trials
from hpcflow.stages.search.search import search, search_slot
from hpcflow.stages.search.study import Study
from hpcflow.stages.simulate import simulate

Library = Callable[..., tuple[Config, Run]]
SPACE = {
    "train.learning_rate": {"low": 1e-3, "high": 1e-2, "log": True},
    "train.flow.hidden": {"choices": [6, 8]},
    "train.warmup": {"low": 0, "high": 5},
}
SEARCH = {"space": SPACE, "steps": 12, "seed": 4}
TRAIN = {
    "flow": {"family": "autoregressive", "hidden": 8, "bins": 4, "embedding_hidden": 16, "embedding_layers": 1},
    "batch": 64,
    "steps": 20,
    "validate_every": 4,
}


@pytest.fixture
def library(tiny: Callable[..., Path], tmp_path: Path) -> Library:
    """Give a function that returns a config and a run with its library."""

    def make(**sections: Any) -> tuple[Config, Run]:
        config, run = load_config(tiny(**{"train": TRAIN, "search": SEARCH, **sections})), Run(tmp_path / "run")
        if not run.simulations.exists():
            simulate(config, run, InProcess())
        return config, run

    return make


def states(trials: list[Trial]) -> Counter[str]:
    return Counter(trial.state for trial in trials)


def finished(trials: list[Trial]) -> list[int | None]:
    return sorted(trial.slot for trial in trials if trial.finished and trial.slot is not None)


def table(run: Run) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((run.search / "trials.csv").read_text())))


def of(run: Run) -> Study:
    return Study(run.search, 4, 12)


@pytest.mark.slow
def test_a_search_finishes_as_many_trials_as_asked_and_writes_the_best(library: Library) -> None:
    config, run = library()
    frozen = (run.path / "run.yaml").read_bytes()
    trials = search(config, run, 4, Here(2))
    assert finished(trials) == [0, 1, 2, 3]
    assert len(trials) == 4
    assert (run.path / "run.yaml").read_bytes() == frozen, "a search freezes nothing"

    rows = table(run)
    assert list(rows[0]) == ["number", "state", "value", "steps", "seconds", *SPACE]
    assert [int(row["number"]) for row in rows] == [0, 1, 2, 3]
    assert all(1e-3 <= float(row["train.learning_rate"]) <= 1e-2 for row in rows)
    assert all(float(row["seconds"]) > 0 for row in rows)
    complete = [row for row in rows if row["state"] == "complete"]
    assert all(int(row["steps"]) == 12 for row in complete)

    best = min(complete, key=lambda row: float(row["value"]))
    found = load_config(run.search / "best.yaml")
    assert found.train.learning_rate == pytest.approx(float(best["train.learning_rate"]), rel=1e-12)
    assert found.train.flow.hidden == int(best["train.flow.hidden"])
    assert found.train.warmup == int(best["train.warmup"])
    assert found.train.steps == 20
    assert found.model == config.model
    assert best_trials(trials)[0].number == int(best["number"])

    # more are added, fewer are none
    assert len(search(config, run, 2, Here(2))) == 4
    more = search(config, run, 5, InProcess())
    assert finished(more) == [0, 1, 2, 3, 4]
    assert more[:4] == trials


def test_one_worker_finds_the_same_again(library: Library) -> None:
    config, run = library()
    one = search(config, run, 4, InProcess())
    run.search.rename(run.path / "first")
    two = search(config, run, 4, InProcess())
    assert [(t.values, t.value, t.state) for t in one] == [(t.values, t.value, t.state) for t in two]
    assert len({t.values["train.learning_rate"] for t in one}) == 4


def test_what_was_killed_is_done_again(library: Library) -> None:
    config, run = library()
    whole = search(config, run, 3, InProcess())
    run.search.rename(run.path / "first")

    # killed: once with a slot, once before it had one, and once in the middle of a line
    run.search.mkdir()
    of(run)
    journal = str(run.search / "journal.log")
    study = optuna.load_study(study_name=None, storage=JournalStorage(JournalFileBackend(journal)))
    study.ask().set_user_attr("slot", 0)
    study.ask()
    with (run.search / "journal.log").open("ab") as file:
        file.write(b'{"op_code":4,"wor')
    (run.search / "journal.log.lock").touch()
    trials = search(config, run, 3, InProcess())
    assert states(trials)["failed"] == 2
    again = sorted((trial for trial in trials if trial.finished), key=lambda trial: trial.slot or 0)
    assert [trial.slot for trial in again] == [0, 1, 2]
    assert [trial.values for trial in again] == [trial.values for trial in whole], "they are begun again as they were"


def suicide(*_: object) -> float:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0.0


def die_once(run: str, slot: Partition) -> None:
    """Search, but be killed in the first trial after the mark was set."""
    marker = Path(run) / "die"
    if marker.exists():
        marker.unlink()
        module.train_trial = suicide
    search_slot(run, slot)


@pytest.mark.slow
def test_a_killed_worker_is_replaced(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    config, run = library()
    (run.path / "die").touch()
    monkeypatch.setattr(module, "search_slot", die_once)
    trials = search(config, run, 4, Here(2))
    assert not (run.path / "die").exists()
    assert finished(trials) == [0, 1, 2, 3]
    assert states(trials)["failed"] == 1


def is_dead(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE  # an orphan whom nobody buries
    except psutil.NoSuchProcess:
        return True


@pytest.mark.slow
def test_a_killed_search_is_resumed(library: Library, tmp_path: Path) -> None:
    long = {**SEARCH, "steps": 100}
    config, run = library(search=long)
    command = [sys.executable, "-m", "hpcflow", "search", "tiny.yaml", "--run", str(run.path), "--trials", "4"]
    process = subprocess.Popen([*command, "--workers", "2"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    journal = run.search / "journal.log"
    end = time.monotonic() + 120
    while time.monotonic() < end and not (journal.is_file() and b'"slot"' in journal.read_bytes()):
        assert process.poll() is None
        time.sleep(0.02)
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for one in family:
        one.kill()
    process.wait(20)
    while time.monotonic() < end and not all(map(is_dead, family)):
        time.sleep(0.02)
    before = Study(run.search, 4, 100).trials()
    assert states(before)["running"] >= 1

    trials = search(config, run, 4, Here(2))
    assert finished(trials) == [0, 1, 2, 3]
    assert states(trials)["failed"] >= 1
    assert states(trials)["running"] == 0


def test_poor_trials_are_stopped_early(library: Library) -> None:
    absurd = {"train.learning_rate": {"choices": [3e-3, 1e6]}}
    config, run = library(
        search={"space": absurd, "steps": 36, "seed": 4}, train={**TRAIN, "average": 0.0, "clip": 1e6, "warmup": 0}
    )
    trials = search(config, run, 8, InProcess())
    poor = [trial for trial in trials if trial.values["train.learning_rate"] > 1]
    good = [trial for trial in trials if trial.values["train.learning_rate"] < 1]
    assert poor
    assert all(trial.state == "pruned" for trial in poor if trial.steps < 36)
    assert any(trial.state == "pruned" and trial.steps < 36 for trial in poor)
    assert any(trial.state == "complete" for trial in good)
    assert load_config(run.search / "best.yaml").train.learning_rate == 3e-3


def raising(config: Config, *_: object) -> float:
    raise ValueError(f"rate {config.train.learning_rate} is unlucky")


def test_trials_that_raise_are_set_aside_and_tried_again_with_other_values(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, run = library()
    with monkeypatch.context() as patch:
        patch.setattr(module, "train_trial", raising)
        with pytest.raises(FailedPartitionsError, match="unlucky"):
            search(config, run, 1, InProcess())
    rows = table(run)
    assert {row["state"] for row in rows} == {"failed"}
    assert len({row["train.learning_rate"] for row in rows}) == len(rows) == 2
    assert not (run.search / "best.yaml").exists()
    assert "unlucky" in next(iter(json.loads((run.logs / "search.failed.json").read_text()).values()))
    assert finished(search(config, run, 1, InProcess())) == [0]


def test_divergence_is_a_poor_trial_and_no_failure(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverge(*_: object) -> float:
        raise HpcflowError("training diverged near step 4")

    monkeypatch.setattr(module, "train_trial", diverge)
    config, run = library()
    with pytest.raises(HpcflowError, match="none of 2 trials was trained to its end"):
        search(config, run, 2, InProcess())
    assert states(of(run).trials()) == {"pruned": 2}


def test_the_last_validation_prunes_nobody(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    def worse_and_worse(config: Config, run: str, report: Callable[[int, float], None]) -> float:
        report(12, float(config.search.seed))
        return float(config.search.seed)

    monkeypatch.setattr(module, "train_trial", worse_and_worse)
    config, run = library()
    assert states(search(config, run, 6, InProcess())) == {"complete": 6}


def test_a_trial_trains_for_the_steps_of_the_search(library: Library) -> None:
    config, run = library()
    told: list[tuple[int, float]] = []
    value = search_trial.train_trial(config, str(run.path), lambda *line: told.append(line))
    assert [step for step, _ in told] == [4, 8, 12]
    assert value == min(nll for _, nll in told)

    def stop(step: int, _: float) -> None:
        if step == 8:
            raise TrialPruned

    with pytest.raises(TrialPruned):
        search_trial.train_trial(config, str(run.path), stop)


def test_another_config_or_a_second_search_is_refused(library: Library) -> None:
    config, run = library()
    search(config, run, 1, InProcess())
    before = {path: path.read_bytes() for path in run.search.iterdir()}
    for sections, says in (
        ({"train": {**TRAIN, "patience": 3}}, r"train\.patience: 20 -> 3"),
        ({"search": {**SEARCH, "seed": 5}}, r"search\.seed: 4 -> 5"),
        ({"simulate": {"n": 4500, "partition": 1000, "seed": 8}}, r"simulate\.seed: 3 -> 8"),
    ):
        with pytest.raises(InputError, match=says):
            search(library(**sections)[0], run, 1, InProcess())
    with alone(run.search / "lock", "search"), pytest.raises(InputError, match="another search is running"):
        search(config, run, 2, InProcess())
    assert {path: path.read_bytes() for path in run.search.iterdir()} == before


def test_the_journal_is_lines_of_json(library: Library) -> None:
    config, run = library()
    search(config, run, 1, InProcess())
    journal = run.search / "journal.log"
    lines = journal.read_text().splitlines()
    assert lines and all(isinstance(json.loads(line), dict) for line in lines)
    journal.write_text("nonsense\n" * 3)
    with pytest.raises(InputError, match="is damaged"):
        search(config, run, 2, InProcess())


def test_no_library_and_no_optuna_are_said(
    tiny: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(tiny())
    with pytest.raises(InputError, match="hpcflow simulate"):
        search(config, Run(tmp_path / "none"), 1, InProcess())
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match=r'pip install "starcluster-hpcflow\[search\]"'):
        search(config, Run(tmp_path / "none"), 1, InProcess())
    assert not (tmp_path / "none").exists()
