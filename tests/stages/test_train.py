"""`hpcflow train` as processes: killed, stopped, in ranks, from a library that is streamed."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from hpcflow.base.lock import alone
from hpcflow.flow.header import read_header
from hpcflow.stages.look.status import status
from hpcflow.stages.run import Run

pytestmark = pytest.mark.slow

# Long enough to be stopped in the middle, looked at often, saved at every look.
TRAIN = {
    "flow": {"family": "autoregressive", "hidden": 8, "embedding_hidden": 16, "embedding_layers": 1},
    "batch": 64,
    "steps": 500,
    "validate_every": 50,
    "checkpoint_minutes": 0.0,
    "patience": 100,
    "exact": 30,
}


def hpcflow(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "hpcflow", *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if name not in ("RANK", "HPCFLOW_RANK")}
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=120)
    return process.returncode, errors


def in_the_middle(run: Path, process: subprocess.Popen[str]) -> int:
    """Wait until a state has been saved, and return its step."""
    state = Run(run).training
    while not state.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    return read_header(state).counters.step


def weights(run: Path) -> dict[str, np.ndarray]:
    return load_file(run / "flow" / "weights.safetensors")


def history(run: Path) -> list[tuple[float, ...]]:
    table = np.genfromtxt(run / "flow" / "history.csv", delimiter=",", names=True)
    return [tuple(row) for row in table[["step", "train_nll", "validation_nll", "learning_rate"]]]


def same(one: Path, other: Path) -> bool:
    a, b = weights(one), weights(other)
    return history(one) == history(other) and all(np.array_equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, write_config: Callable[..., Path]) -> Path:
    path = write_config(tmp_path_factory.mktemp("train"), train=TRAIN)
    assert ended(hpcflow("simulate", path, "--run", path.parent / "library", "--workers", 1))[0] == 0
    return path


@pytest.fixture
def run(config: Path, tmp_path: Path) -> Path:
    shutil.copytree(config.parent / "library", tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture(scope="module")
def undisturbed(config: Path) -> Path:
    folder = config.parent / "undisturbed"
    shutil.copytree(config.parent / "library", folder)
    assert ended(hpcflow("train", config, "--run", folder, "--workers", 1))[0] == 0
    assert not Run(folder).training.exists()
    return folder


def test_killed_and_run_again(config: Path, run: Path, undisturbed: Path) -> None:
    process = hpcflow("train", config, "--run", run, "--workers", 1)
    step = in_the_middle(run, process)
    assert 0 < step < 500
    process.kill()
    process.communicate()
    assert not (run / "flow").exists()
    (training,) = [stage for stage in status(Run(run)) if stage.stage == "train"]
    assert (training.done, training.total) == (read_header(Run(run).training).counters.step, 500)
    assert training.unit.startswith("steps, NLL ")
    assert not training.finished
    code, errors = ended(hpcflow("train", config, "--run", run, "--workers", 1))
    assert code == 0
    assert f"resuming at step {training.done}" in errors
    assert same(run, undisturbed)
    assert not Run(run).training.exists()


def test_a_second_training_of_the_same_run_is_refused(config: Path, run: Path) -> None:
    with alone(Run(run).lock("train"), "it"):
        code, errors = ended(hpcflow("train", config, "--run", run))
    assert code == 2
    assert f"another `hpcflow train` is running in {run / 'logs'} (process {os.getpid()} on " in errors


@pytest.mark.parametrize(("key", "value"), [("simulate.seed", 9), ("observe.missing", 0.2)])
def test_a_state_from_elsewhere_is_refused(config: Path, run: Path, tmp_path: Path, key: str, value: float) -> None:
    process = hpcflow("train", config, "--run", run, "--workers", 1)
    in_the_middle(run, process)
    process.kill()
    process.communicate()
    other = tmp_path / "other"
    options = ("--run", other, "--workers", 1, "--set", f"{key}={value}")
    assert ended(hpcflow("simulate", config, *options))[0] == 0
    state = Path(shutil.copy(Run(run).training, Run(other).training)).read_bytes()
    code, errors = ended(hpcflow("train", config, *options))
    part = {"simulate.seed": "library", "observe.missing": "observe"}[key]
    assert code == 2
    assert f"is the state of a training with another {part}; restore the settings" in errors.splitlines()[-1]
    assert Run(other).training.read_bytes() == state
    assert not Run(other).flow.exists()


def test_a_member_from_elsewhere_is_refused(config: Path, run: Path, undisturbed: Path) -> None:
    shutil.copytree(Run(undisturbed).flow, Run(run).members / "0")
    code, errors = ended(hpcflow("train", config, "--run", run, "--workers", 1))
    assert code == 2
    assert re.search(r"members/0 holds a flow of another training; move it away", errors.splitlines()[-1])
    assert not Run(run).flow.exists()


def test_asked_to_stop_and_run_again(config: Path, run: Path, undisturbed: Path) -> None:
    process = hpcflow("train", config, "--run", run, "--workers", 1)
    in_the_middle(run, process)
    process.send_signal(signal.SIGTERM)
    code, errors = ended(process)
    assert code == 1
    step = read_header(Run(run).training).counters.step
    assert errors.splitlines()[-1] == (
        f"hpcflow: training was stopped at step {step} of 500 by SIGTERM; run the same command again to resume"
    )
    assert ended(hpcflow("train", config, "--run", run, "--workers", 1))[0] == 0
    assert same(run, undisturbed)


def test_two_ranks_stopped_and_run_again_learn_what_one_does(config: Path, run: Path, undisturbed: Path) -> None:
    arguments = ("train", config, "--run", run, "--workers", 2, "--ranks", 2, "--set", "train.steps=200")
    process = hpcflow(*arguments)
    in_the_middle(run, process)
    process.send_signal(signal.SIGUSR1)
    code, errors = ended(process)
    assert code == 1
    assert errors.count("by SIGUSR1; run the same command again") == 1
    code, errors = ended(hpcflow(*arguments))
    assert code == 0, errors
    assert errors.count("best validation NLL") == 1
    assert len(history(run)) == 4
    losses = [rows[2] for rows in history(run)]
    assert losses[-1] < losses[0]


def test_a_lost_rank_ends_the_others(config: Path, run: Path) -> None:
    process = hpcflow("train", config, "--run", run, "--ranks", 2, "--set", "train.steps=100000")
    in_the_middle(run, process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        pytest.skip("only Linux tells which the children are")
    ranks = [int(child) for child in children.read_text().split()]
    os.kill(ranks[1], signal.SIGKILL)
    code, errors = ended(process)
    assert code == 128 + signal.SIGKILL
    assert "rank 0 of 2 lost the others" in errors
    assert "rank 1 was killed by SIGKILL; run the same command again to resume" in errors
    assert not any(Path(f"/proc/{rank}").exists() for rank in ranks)


def test_wrong_input_is_said_once_by_all_ranks_together(config: Path, run: Path) -> None:
    Run(run).training.write_bytes(b"nothing")
    code, errors = ended(hpcflow("train", config, "--run", run, "--ranks", 2))
    assert code == 2
    assert errors.count("training.safetensors is damaged; remove it") == 1


def test_a_library_larger_than_memory_is_streamed(config: Path, run: Path) -> None:
    small = ("--set", "train.resident_gb=0.00006", "--set", "train.steps=250")
    process = hpcflow("train", config, "--run", run, "--workers", 1, *small)
    in_the_middle(run, process)
    process.send_signal(signal.SIGTERM)
    code, errors = ended(process)
    assert code == 1
    assert "blocks of up to 1000 simulations, 2 at a time" in errors
    assert ended(hpcflow("train", config, "--run", run, "--workers", 1, *small))[0] == 0
    other = run.with_name("other")
    shutil.copytree(config.parent / "library", other)
    assert ended(hpcflow("train", config, "--run", other, "--workers", 1, *small))[0] == 0
    assert same(run, other)
