"""How far a stage is: rate and time left, lines that keep coming, the file for `status`, and the bar on a terminal."""

import logging
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hpcflow.stages import progress
from hpcflow.stages.progress import State, Track, log, read_state, tracked

ROOT = Path(__file__).parents[2]


class Clock:
    """Stands in for the module time, as the progress sees it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    with caplog.at_level(logging.INFO, "hpcflow"):
        yield lambda: caplog.messages


def test_there_is_a_time_left_from_the_first_partition_on(clock: Clock) -> None:
    track = Track(1000, 0, "rows", [])
    clock.now += 600  # until there are workers
    began = [clock.now] * 4
    track.look(began)
    assert track.state().left_s is None
    clock.now += 50
    track.advance(100)
    assert track.state().left_s == pytest.approx(900 / (4 * 100 / 50))  # as the others are about to end, too
    for _ in range(3):
        track.advance(100)
    assert track.state().left_s == pytest.approx(600 / (4 * 100 / 50))


def test_the_rate_is_that_of_the_later_half_of_the_time(clock: Clock) -> None:
    track = Track(10_000, 0, "steps", [])
    for seconds in [1.0] * 300 + [0.1] * 3000:
        clock.now += seconds
        track.advance(1)
    assert track.state().rate == pytest.approx(10.0, rel=0.05)


def test_what_was_done_before_is_not_counted_in_the_rate(clock: Clock) -> None:
    track = Track(1000, 900, "rows", [])
    clock.now += 10
    track.advance(50)
    assert str(track.state()) == "950 of 1,000 rows, 5/s, 0:00:10 left"


def test_the_log_moves_while_nothing_is_finished(clock: Clock, lines: Callable[[], list[str]]) -> None:
    with tracked("simulate", 100_000) as track:
        began = [clock.now, clock.now + 5]
        for _ in range(120):
            clock.now += 0.5
            track.look(began)
    assert lines()[0] == "simulate: 0 of 100,000 rows, 2 partitions in flight, the first began 15 s ago"
    assert len(lines()) == 5
    assert lines()[-1] == "simulate: 0 of 100,000 rows"


def test_a_day_has_no_more_lines_than_can_be_read(clock: Clock, lines: Callable[[], list[str]]) -> None:
    with tracked("simulate", 86_400) as track:
        for _ in range(86_400):
            clock.now += 1
            track.advance(1)
    assert 100 < len(lines()) < 400
    assert lines()[-1] == "simulate: 86,400 of 86,400 rows, 1/s"


def test_a_log_that_is_silent_shows_nothing(lines: Callable[[], list[str]], tmp_path: Path) -> None:
    log.setLevel(logging.ERROR)
    with tracked("train", 1, keep=tmp_path / "file") as track:
        track.advance(1)
        assert not (tmp_path / "file").exists()
    assert lines() == []


def test_the_file_is_there_while_the_stage_is(clock: Clock, tmp_path: Path) -> None:
    path = tmp_path / "infer.progress.json"
    log.setLevel(logging.INFO)
    with tracked("infer", 100, 20, "clusters", path) as track:
        track.look([clock.now])
        assert read_state(path) == State(20, 100, "clusters", running=1)
        clock.now += 8
        track.note("all is well")
        track.advance(40)
        assert read_state(path) == State(60, 100, "clusters", 5.0, 1, 8.0, "all is well")
    assert read_state(path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    log.setLevel(logging.INFO)
    with tracked("infer", 1, keep=tmp_path / "none" / "file") as track:
        track.advance(1)


@pytest.mark.parametrize("text", ["", "[]", '{"done": 1}', '{"done": 1, "total": 1, "unit": "rows", "more": 1}'])
def test_a_file_of_something_else_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(text)
    assert read_state(tmp_path / "file") is None


def on_a_terminal(*command: str, folder: Path) -> list[str]:
    """Run a command on a terminal of its own, and return what it writes, without codes, in lines."""
    mine, its = pty.openpty()
    with os.fdopen(mine, "rb", buffering=0) as screen:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
        child = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=environment, cwd=folder)
        os.close(its)
        said = bytearray()
        try:
            while more := screen.read(65536):
                said += more
        except OSError:  # the end of a terminal
            pass
        assert child.wait(timeout=60) == 0, said.decode()
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said.decode())
    return [line.strip() for line in re.split(r"[\r\n]+", plain) if line.strip()]


SCENE = """
import logging, sys, time
from pathlib import Path
from hpcflow.cli import main
from hpcflow.stages import progress
from hpcflow.stages.progress import log, log_to, tracked
log.setLevel(logging.INFO)
log.addHandler(logging.StreamHandler(sys.stderr))
progress.LINE_S = 0.05
with log_to(Path("scene.log")), tracked("simulate", 100, unit="rows") as track:
    log.info("simulate: %s", "a/long/path" * 12)
    for _ in range(10):
        track.look([time.monotonic()])
        time.sleep(0.05)
    log.warning("simulate: a worker is lost")
    track.advance(100)
log.info("simulate: done")
"""


def test_a_bar_leaves_the_lines_of_the_log_whole_and_the_file_complete(tmp_path: Path) -> None:
    seen = on_a_terminal(sys.executable, "-c", SCENE, folder=tmp_path)
    bars = [line for line in seen if line.startswith("simulate ")]
    assert any("0 of 100 rows, 1 partition in flight, the first began 0 s ago" in bar for bar in bars)
    assert "100 of 100 rows" in bars[-1]
    others = [line for line in seen if line not in bars]
    assert others == ["simulate: " + "a/long/path" * 12, "simulate: a worker is lost", "simulate: done"]
    kept = [line.partition(" INFO ")[2] for line in (tmp_path / "scene.log").read_text().splitlines()]
    assert any(line.startswith("simulate: 0 of 100 rows, 1 partition in flight") for line in kept)
    assert any(line.startswith("simulate: 100 of 100 rows") for line in kept)


@pytest.mark.slow
def test_all_stages_on_a_terminal(tiny: Callable[..., Path], tmp_path: Path) -> None:
    config = str(tiny())
    hpcflow = (sys.executable, "-m", "hpcflow")
    on_a_terminal(*hpcflow, "mock", config, "--out", "mock", folder=tmp_path)
    catalogue = ("--set", "infer.catalogues=[mock/mock.fits]")
    ends = {"simulate": "4,500 of 4,500 rows", "train": "20 of 20 steps", "infer": "50 of 50 rows"}
    for stage, end in ends.items():
        seen = on_a_terminal(*hpcflow, stage, config, "--run", "run", "--workers", "1", *catalogue, folder=tmp_path)
        bars = [line for line in seen if line.startswith(f"{stage} ")]
        assert bars and end in bars[-1], seen
        assert not any(stage + ": " in bar for bar in bars)  # no line of the log within a bar
        assert f"{stage}: {end}" in (tmp_path / "run" / "logs" / f"{stage}.log").read_text()
        assert not list((tmp_path / "run" / "logs").glob("*.json"))
