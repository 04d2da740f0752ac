import csv
import io

from rich.console import Console

from hpcflow.stages.search.results import Trial, best_table, best_trials, trials_csv

TRIALS = [
    Trial(0, 0, "complete", 2.0, 100, 3.25, {"train.batch": 64}),
    Trial(1, 1, "pruned", 1.0, 10, 0.5, {"train.batch": 128}),
    Trial(2, 2, "failed", None, 0, 0.1, {}),
    Trial(3, 2, "complete", -1.5, 100, 3.0, {"train.batch": 32}),
    Trial(4, None, "running", None, 0, None, {}),
]


def test_the_best_are_complete_and_in_order() -> None:
    assert [trial.number for trial in best_trials(TRIALS)] == [3, 0]
    assert [trial.number for trial in best_trials(TRIALS, 1)] == [3]
    assert best_trials(TRIALS[1:3]) == []


def test_two_of_a_value_stay_in_their_order() -> None:
    assert [t.number for t in best_trials([TRIALS[0], Trial(9, 3, "complete", 2.0, 1, 1.0, {})])] == [0, 9]


def test_complete_and_pruned_trials_are_finished() -> None:
    assert [trial.finished for trial in TRIALS] == [True, True, False, True, False]


def test_the_csv_has_every_trial() -> None:
    rows = list(csv.DictReader(io.StringIO(trials_csv(TRIALS, ["train.batch"]))))
    assert [row["state"] for row in rows] == ["complete", "pruned", "failed", "complete", "running"]
    assert [row["train.batch"] for row in rows] == ["64", "128", "", "32", ""]
    assert [row["value"] for row in rows] == ["2.0", "1.0", "", "-1.5", ""]


def test_the_table_shows_the_best_first() -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(best_table(TRIALS))
    text = console.export_text()
    assert text.index("train.batch = 32") < text.index("train.batch = 64")
    assert "128" not in text
