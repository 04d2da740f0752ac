"""Any process of any command of a run killed at any moment: given again, the commands end with the same bytes.

HPCFLOW_KILLS=100 pytest tests/faults/test_killed_anywhere.py -s      # seeds are 0, 1, ..., one for each run
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from hpcflow.config.load import load_config
from hpcflow.stages.build import build_survey_simulator
from hpcflow.stages.mock import make_mock

KILLS = int(os.environ.get("HPCFLOW_KILLS", "6"))
ROOT = Path(__file__).parents[2]
STAGES = {
    "simulate": ("simulate", "../tiny.yaml", "--run", "run", "--workers", "2"),
    "train": ("train", "../tiny.yaml", "--run", "run", "--workers", "1", "--ranks", "2"),
    "infer": ("infer", "../tiny.yaml", "--run", "run", "--workers", "2"),
    "validate": ("validate", "../tiny.yaml", "--run", "run", "--workers", "2"),
    "report": ("report", "../tiny.yaml", "--run", "run"),
    "export": ("export", "run"),
}
OF_STAGE = min(3, -(-KILLS // len(STAGES)))  # tries to kill each command of a run, which is soon over once it is done
NOT_OURS = ("dask-scratch-space", "torchinductor_")  # in the folder for temporary files


def start(stage: str, folder: Path) -> "subprocess.Popen[bytes]":
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder / "tmp")}
    with (folder / f"{stage}.log").open("ab") as log:
        command = [sys.executable, "-m", "hpcflow", *STAGES[stage]]
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)


def finish(stage: str, folder: Path) -> float:
    """Give a command until it succeeds, and return how long the last one took."""
    for _ in range(3):  # a partition that was killed too often is set aside; the same command tries it again
        began = time.monotonic()
        if start(stage, folder).wait(1200) == 0:
            return time.monotonic() - began
    pytest.fail((folder / f"{stage}.log").read_text()[-2000:])


def killed(stage: str, folder: Path, after_s: float, chance: random.Random) -> str:
    """Start a command, kill one of its processes or all of them, and return whom; nobody if it was over before."""
    command = start(stage, folder)
    with suppress(subprocess.TimeoutExpired):
        command.wait(after_s)
        return ""
    first = psutil.Process(command.pid)
    others = first.children(recursive=True)
    whom = chance.choice(["the command", "another process", "all"]) if others else "the command"
    doomed = {"the command": [first], "another process": others and [chance.choice(others)], "all": [first, *others]}
    for process in doomed[whom]:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    command.wait(1200)  # where only another process was killed the command mends it, or ends
    _, alive = psutil.wait_procs(others, timeout=120)
    assert not alive, f"{stage}: {alive} outlive their command"
    return whom


def contents(run: Path) -> dict[str, bytes]:
    """Return the files of a run but for how long training took: logs, history, and the time on the page."""
    found = {str(p.relative_to(run)): p.read_bytes() for p in sorted(run.rglob("*")) if p.is_file()}
    found = {name: content for name, content in found.items() if not name.startswith(("logs/", "flow/history.csv"))}
    page = "report/index.html"
    return found | {page: re.sub(rb"(training time</th>.*?>)[0-9.]+ min<", rb"\1<", found[page])}


@pytest.fixture
def runs(tmp_path: Path, write_config: Callable[..., Path]) -> Path:
    """Give a folder with a config and its catalogue."""
    train = {
        "flow": {"family": "autoregressive", "hidden": 8, "embedding_hidden": 16, "embedding_layers": 1},
        "batch": 128,
        "steps": 400,
        "validate_every": 50,
        "checkpoint_minutes": 0.01,
        "exact": 30,
    }
    infer = {"catalogues": [str(tmp_path / "mock.fits")], "samples": 1000, "keep": 50, "predictive": 30, "partition": 8}
    path = write_config(tmp_path, train=train, infer=infer, simulate={"n": 40_000, "partition": 1000, "seed": 3})
    config = load_config(path)
    make_mock(build_survey_simulator(config), config.model.bands, 200, 7, tmp_path)
    return tmp_path


@pytest.mark.slow
def test_whatever_is_killed_and_whenever_a_run_has_the_same_bytes(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet = runs / "undisturbed"
    takes = {stage: finish(stage, quiet) for stage in STAGES}
    expected, done, seed = contents(quiet / "run"), Counter[str](), 0
    while done.total() < KILLS:
        chance, folder = random.Random(seed), runs / f"seed-{seed}"
        for stage in STAGES:
            for _ in range(OF_STAGE):
                if done.total() < KILLS and (whom := killed(stage, folder, chance.uniform(0, takes[stage]), chance)):
                    done[f"{stage}: {whom}"] += 1
            finish(stage, folder)
        found = contents(folder / "run")
        assert found.keys() == expected.keys(), seed
        assert [name for name in found if found[name] != expected[name]] == [], seed
        assert [p.name for p in (folder / "tmp").iterdir() if not p.name.startswith(NOT_OURS)] == [], seed
        with capsys.disabled():
            print(f"\n{done.total()} killed with seeds 0 to {seed}: {dict(sorted(done.items()))}", flush=True)
        seed += 1
