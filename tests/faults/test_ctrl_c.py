"""Ctrl-C, as a terminal sends it to every process of a command: a sentence, exit code 130, and the same bytes later."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from hpcflow.stages.run import Run

ROOT = Path(__file__).parents[2]


def start(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "hpcflow", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        preexec_fn=heed_sigint,
    )


def heed_sigint() -> None:
    """Take SIGINT as in a terminal: tests that run in the background are started with it ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def finish(*arguments: str) -> None:
    driver = start(*arguments)
    _, said = driver.communicate(timeout=200)
    assert driver.returncode == 0, said


def interrupted(there: Callable[[], bool], *arguments: str) -> str:
    """Press Ctrl-C as soon as something is there, and return what the command says."""
    driver, deadline = start(*arguments), time.monotonic() + 300
    while not there() and driver.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    family = psutil.Process(driver.pid).children(recursive=True)
    os.killpg(driver.pid, signal.SIGINT)
    _, said = driver.communicate(timeout=60)
    assert driver.returncode == 130, said
    assert not psutil.wait_procs(family, timeout=10)[1]
    assert "Traceback" not in said
    assert [line for line in said.splitlines() if "run the same command" in line] == [said.splitlines()[-1]]
    return said


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_stage_with_workers(tiny: Callable[..., Path], tmp_path: Path) -> None:
    # With a free R_V the sum over wavelengths is taken, which is slow enough to be stopped.
    config = str(tiny(simulate={"n": 60_000, "partition": 1000, "seed": 3}))
    free = ("--set", "model.parameters.r_v={low: 2, high: 5}", "--set", "model.fixed={metallicity: 0.02}")
    run, other = tmp_path / "run", tmp_path / "other"
    some = run / "simulations.zarr" / "status" / "c"
    simulate = ("simulate", config, *free, "--workers", "2", "--run")
    said = interrupted(lambda: some.is_dir() and len(list(some.iterdir())) > 1, *simulate, str(run))
    assert "simulate: SIGINT asked to stop; what is finished is kept" in said
    assert len(list(some.iterdir())) < 60
    assert list(run.glob(".*")) == []
    for folder in (run, other):
        finish(*simulate, str(folder))
    assert contents(run / "simulations.zarr") == contents(other / "simulations.zarr")


@pytest.mark.slow
def test_inference(inferred: Run, tiny: Callable[..., Path], tmp_path: Path) -> None:
    given = {"catalogues": inferred.config().infer.catalogues, "flow": str(inferred.path)}
    config = str(tiny(infer={**given, "samples": 4000, "keep": 50, "predictive": 30, "partition": 1}))
    run, other = tmp_path / "run", tmp_path / "other"
    some = run / "posteriors.zarr" / "status" / "c"
    infer = ("infer", config, "--workers", "2", "--run")
    said = interrupted(lambda: some.is_dir() and len(list(some.iterdir())) > 1, *infer, str(run))
    assert "infer: SIGINT asked to stop; what is finished is kept" in said
    assert len(list(some.iterdir())) < 50
    assert list(run.glob(".*")) == []
    for folder in (run, other):
        finish(*infer, str(folder))
    assert contents(run / "posteriors.zarr") == contents(other / "posteriors.zarr")


@pytest.mark.slow
def test_training_in_two_processes(tiny: Callable[..., Path], tmp_path: Path) -> None:
    config, run, other = str(tiny()), tmp_path / "run", tmp_path / "other"
    for folder in (run, other):
        finish("simulate", config, "--run", str(folder))
    longer = ("--set", "train.steps=300", "--set", "train.checkpoint_minutes=0", "--ranks", "2", "--workers", "1")
    train = ("train", config, *longer, "--run")
    said = interrupted((run / "training.safetensors").exists, *train, str(run))
    assert "by SIGINT" in said
    for folder in (run, other):
        finish(*train, str(folder))
    weights = [(folder / "flow" / "weights.safetensors").read_bytes() for folder in (run, other)]
    assert weights[0] == weights[1]


def test_where_nothing_is_saved_the_sentence_is_the_same(tiny: Callable[..., Path], tmp_path: Path) -> None:
    fifo = tmp_path / "config.yaml"
    os.mkfifo(fifo)  # nobody writes to it, so the command waits
    driver = start("simulate", str(fifo))
    writer = os.open(fifo, os.O_WRONLY)  # returns once it reads
    time.sleep(0.2)
    os.killpg(driver.pid, signal.SIGINT)
    try:
        _, said = driver.communicate(timeout=30)
    finally:
        os.close(writer)  # the command reads to its end
        driver.wait()
    assert driver.returncode == 130
    assert said == "hpcflow: stopped; run the same command again to resume\n"
