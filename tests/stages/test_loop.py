"""A driver that is asked to stop."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_driver_that_is_asked_to_stop_ends_soon_and_goes_on(
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
    assert f"hpcflow: simulate: {number.name} asked to stop; what is finished is kept: run the same command" in said
    assert "Traceback" not in said
    done = len(list(marks.glob("*")))
    assert 3 <= done < 100
    again = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert f"{10_000 - 100 * done} of 10000 rows to do" in again.stderr
