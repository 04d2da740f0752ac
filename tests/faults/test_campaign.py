"""A campaign of faults: workers and drivers killed at random moments, and in the end the same bytes.

HPCFLOW_FAULTS=20,5 pytest tests/faults      # 20 runs with a worker killed, 5 with the driver killed
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

WORKERS_KILLED, DRIVERS_KILLED = (int(n) for n in os.environ.get("HPCFLOW_FAULTS", "2,1").split(","))
ROOT = Path(__file__).parents[2]


def start(config: Path, folder: Path) -> "subprocess.Popen[bytes]":
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "hpcflow", "simulate", str(config), "--run", str(folder), "--workers", "2"]
    with folder.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder.parent)


def finish(config: Path, folder: Path) -> None:
    for _ in range(3):  # a partition that was killed too often is set aside; the same command tries it again
        if start(config, folder).wait(300) == 0:
            return
    pytest.fail(folder.with_suffix(".log").read_text()[-2000:])


def workers(driver: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    try:
        found = psutil.Process(driver.pid).children(recursive=True)
        return [p for p in found if "spawn_main" in " ".join(p.cmdline())]
    except psutil.Error:
        return []


def some_are_done(folder: Path, count: int) -> bool:
    return len(list((folder / "simulations.zarr" / "status" / "c").glob("*"))) >= count


def contents(folder: Path) -> dict[str, bytes]:
    store = folder / "simulations.zarr"
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, write_config: Callable[..., Path]) -> Path:
    folder = tmp_path_factory.mktemp("faults")
    bands = {band: f"WFC3_UVIS.{band}" for band in ("F275W", "F336W", "F438W", "F555W", "F814W")}
    low_high = {"log_age": (6.0, 10.1383), "log_mass": (2.0, 8.0), "ebv": (0.0, 1.5), "r_v": (2.0, 5.0)}
    parameters = {name: {"low": low, "high": high} for name, (low, high) in low_high.items()}
    # With a free R_V the sum over wavelengths is taken: slow enough to be killed in the middle of it.
    model = {"bands": bands, "parameters": parameters, "fixed": {"metallicity": 0.02}}
    return write_config(folder, model=model, simulate={"n": 60_000, "partition": 1000, "seed": 3})


@pytest.fixture(scope="module")
def undisturbed(config: Path) -> dict[str, bytes]:
    finish(config, config.parent / "undisturbed")
    return contents(config.parent / "undisturbed")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "seed"), [("worker", i) for i in range(WORKERS_KILLED)] + [("driver", i) for i in range(DRIVERS_KILLED)]
)
def test_whoever_is_killed_the_library_is_the_same(
    what: str, seed: int, config: Path, undisturbed: dict[str, bytes]
) -> None:
    chance = random.Random(f"{what} {seed}")
    folder = config.parent / f"{what}-{seed}"
    driver = start(config, folder)
    wanted, deadline = chance.randrange(0, 50), time.monotonic() + 120
    while (
        driver.poll() is None
        and time.monotonic() < deadline
        and not (some_are_done(folder, wanted) and len(workers(driver)) == 2)
    ):
        time.sleep(0.005)
    time.sleep(chance.uniform(0, 0.1))
    orphans = workers(driver)
    assert orphans, "the run was over before anything was killed"
    if what == "driver":
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        assert any(path.startswith("status/c/") for path in undisturbed)
        _, alive = psutil.wait_procs(orphans, timeout=30)
        assert not alive, "workers outlive their driver"
    else:
        chance.choice(orphans).send_signal(signal.SIGKILL)
        driver.wait(300)
    finish(config, folder)
    found = contents(folder)
    assert found.keys() == undisturbed.keys()
    assert [name for name in found if found[name] != undisturbed[name]] == []
