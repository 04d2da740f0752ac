"""Sentences about workers, in the log and in a file."""

from pathlib import Path

import pytest

from hpcflow.compute.notes import Notes, read_notes


def test_what_is_wrong_is_logged_once_and_kept_while_it_is_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "notes.json"
    notes = Notes("infer", path)
    for sentence in ("n1 is bad", "n1 is bad", "n1 is worse"):
        notes.say("n1", sentence)
    notes.say("slurm", "SLURM is away")
    assert [record.getMessage() for record in caplog.records] == [
        "infer: n1 is bad", "infer: n1 is worse", "infer: SLURM is away",
    ]  # fmt: skip
    assert [line.partition(" (at ")[0] for line in read_notes(path)] == ["n1 is worse", "SLURM is away"]
    notes.drop("n1")
    assert len(read_notes(path)) == 1
    notes.clear()
    assert not path.exists()


def test_the_notes_of_a_killed_driver_are_removed_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    Notes("infer", path).say("n1", "n1 is bad")
    Notes("infer", path)
    assert not path.exists()


@pytest.mark.parametrize("text", ["", "[", "{}", "7", "null", '["12:00"]'])
def test_damaged_notes_say_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "notes.json").write_text(text)
    assert read_notes(tmp_path / "notes.json") == []
    assert read_notes(tmp_path / "none.json") == []
