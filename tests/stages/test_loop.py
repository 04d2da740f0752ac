"""The loop: a driver that is asked to stop, and that workers and this process write the same."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hpcflow.base.errors import FailedPartitionsError, Interrupted
from hpcflow.base.partitions import Partition, partitions
from hpcflow.compute.once import once_per_worker
from hpcflow.compute.where import Here, InProcess, Where
from hpcflow.config.load import Config, with_values
from hpcflow.stages.infer import infer
from hpcflow.stages.loop import run_missing
from hpcflow.stages.run import Run
from hpcflow.stages.simulate import simulate
from hpcflow.stages.validate import validate

ROOT = Path(__file__).parents[2]
STAGES: dict[str, Callable[[Config, Run, Where], None]] = {"simulate": simulate, "infer": infer, "validate": validate}


def stores(run: Run) -> dict[str, bytes]:
    return {
        str(path.relative_to(run.path)): path.read_bytes()
        for path in run.path.rglob("*")
        if path.is_file() and any(part.endswith(".zarr") for part in path.parts)
    }


@pytest.mark.parametrize("stage", STAGES)
def test_workers_write_the_same_bytes_as_this_process(inferred: Run, tmp_path: Path, stage: str) -> None:
    config, wrote = with_values(inferred.config(), {"validate.exact": 10}), []
    for name, where in (("workers", Here(2)), ("process", InProcess())):
        run = Run(tmp_path / name)
        shutil.copytree(inferred.path, run.path)
        shutil.rmtree({"simulate": run.simulations, "infer": run.posteriors}.get(stage, run.validation), True)
        STAGES[stage](config, run, where)
        wrote.append(stores(run))
    assert wrote[0] == wrote[1]


@once_per_worker
def loaded(folder: str) -> list[int]:
    """Count the partitions that a worker has seen."""
    return []


def count(folder: str, partition: Partition) -> None:
    """Write how many partitions this worker had, how many threads it computes with, and fail at the second."""
    loaded(folder).append(partition.index)
    (Path(folder) / f"{partition.index}").write_text(f"{len(loaded(folder))} {torch.get_num_threads()}")
    if partition.index == 1 and not (Path(folder) / "well").exists():
        raise ValueError("not well")


def test_this_process_is_a_new_worker_every_time_and_sets_failures_aside(tmp_path: Path) -> None:
    run, todo = Run(tmp_path), partitions(3, 1)
    run.logs.mkdir()
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(FailedPartitionsError, match=r"1 of 3 partitions failed, first 1 \(ValueError: not well\)"):
            run_missing("simulate", run, count, todo, todo, InProcess())
        assert json.loads((run.logs / "simulate.failed.json").read_text()) == {"1": "ValueError: not well"}
        (tmp_path / "well").touch()
        run_missing("simulate", run, count, todo, todo[1:], InProcess())
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert [(tmp_path / name).read_text() for name in "012"] == ["1 1", "1 1", "2 1"]
    assert not (run.logs / "simulate.failed.json").exists()


def stop(folder: str, partition: Partition) -> None:
    """Be asked to stop in the middle of the first partition."""
    os.kill(os.getpid(), signal.SIGTERM)
    (Path(folder) / str(partition.index)).touch()


def test_this_process_stops_between_partitions(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="simulate: SIGTERM asked to stop; what is finished is kept"):
        run_missing("simulate", Run(tmp_path), stop, partitions(3, 1), partitions(3, 1), InProcess())
    assert [path.name for path in tmp_path.iterdir()] == ["0"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_driver_asked_to_stop_ends_soon_and_resumes(
    number: signal.Signals, tiny: Callable[..., Path], tmp_path: Path
) -> None:
    config = tiny(simulate={"n": 10_000, "partition": 100, "seed": 3})
    command = [sys.executable, "-m", "hpcflow", "simulate", str(config), "--run", "run", "--workers", "1"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    marks = tmp_path / "run" / "simulations.zarr" / "status" / "c"
    driver = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    while driver.poll() is None and len(list(marks.glob("*"))) < 3:
        time.sleep(0.005)
    driver.send_signal(number)
    _, said = driver.communicate(timeout=60)
    assert driver.returncode == 1, said
    assert f"hpcflow: simulate: {number.name} asked to stop; what is finished is kept; run the same command" in said
    assert "Traceback" not in said
    done = len(list(marks.glob("*")))
    assert 3 <= done < 100
    again = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert f"{10_000 - 100 * done} of 10000 rows to do" in again.stderr
