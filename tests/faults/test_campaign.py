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
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from hpcflow.config.load import Config
from hpcflow.stages.build import build_survey_simulator
from hpcflow.stages.mock import make_mock
from hpcflow.stages.run import Run

WORKERS_KILLED, DRIVERS_KILLED = (int(n) for n in os.environ.get("HPCFLOW_FAULTS", "2,1").split(","))
ROOT = Path(__file__).parents[2]


def make_catalogue(config: Config, clusters: int, folder: Path) -> list[str]:
    path, _ = make_mock(build_survey_simulator(config), config.model.bands, clusters, 7, folder)
    return [str(path)]


@dataclass(frozen=True)
class Campaign:
    """A stage that is disturbed: its command but for the run folder, and the store it fills."""

    command: tuple[str, ...]
    store: str
    partitions: int
    folder: Path

    def start(self, run: Path) -> "subprocess.Popen[bytes]":
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "hpcflow", *self.command, "--run", str(run), "--workers", "2"]
        with run.with_suffix(".log").open("ab") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=run.parent)

    def finish(self, run: Path) -> None:
        for _ in range(3):  # a partition that was killed too often is set aside; the same command tries it again
            if self.start(run).wait(300) == 0:
                return
        pytest.fail(run.with_suffix(".log").read_text()[-2000:])

    def done(self, run: Path) -> int:
        return len(list((run / self.store / "status" / "c").glob("*")))

    def contents(self, run: Path) -> dict[str, bytes]:
        store = run / self.store
        return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def workers(driver: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    try:
        found = psutil.Process(driver.pid).children(recursive=True)
        return [p for p in found if "spawn_main" in " ".join(p.cmdline())]
    except psutil.Error:
        return []


@pytest.fixture(scope="module")
def simulating(tmp_path_factory: pytest.TempPathFactory, write_config: Callable[..., Path]) -> Campaign:
    folder = tmp_path_factory.mktemp("simulate")
    bands = {band: f"WFC3_UVIS.{band}" for band in ("F275W", "F336W", "F438W", "F555W", "F814W")}
    low_high = {"log_age": (6.0, 10.1383), "log_mass": (2.0, 8.0), "ebv": (0.0, 1.5), "r_v": (2.0, 5.0)}
    parameters = {name: {"low": low, "high": high} for name, (low, high) in low_high.items()}
    # With a free R_V the sum over wavelengths is taken: slow enough to be killed in the middle of it.
    model = {"bands": bands, "parameters": parameters, "fixed": {"metallicity": 0.02}}
    config = write_config(folder, model=model, simulate={"n": 60_000, "partition": 1000, "seed": 3})
    return Campaign(("simulate", str(config)), "simulations.zarr", 60, folder)


@pytest.fixture(scope="module")
def inferring(tmp_path_factory: pytest.TempPathFactory, write_config: Callable[..., Path], inferred: Run) -> Campaign:
    folder = tmp_path_factory.mktemp("infer")
    catalogues = make_catalogue(inferred.config(), 400, folder)
    infer = {"samples": 1000, "keep": 50, "predictive": 30, "partition": 16, "flow": str(inferred.path)}
    config = write_config(folder, infer={**infer, "catalogues": catalogues})
    return Campaign(("infer", str(config)), "posteriors.zarr", 25, folder)


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, dict[str, bytes]]:
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["simulating", "inferring"])
@pytest.mark.parametrize(
    ("what", "seed"), [("worker", i) for i in range(WORKERS_KILLED)] + [("driver", i) for i in range(DRIVERS_KILLED)]
)
def test_whoever_is_killed_the_store_is_the_same(
    what: str, seed: int, stage: str, undisturbed: dict[str, dict[str, bytes]], request: pytest.FixtureRequest
) -> None:
    campaign: Campaign = request.getfixturevalue(stage)
    if stage not in undisturbed:
        campaign.finish(campaign.folder / "undisturbed")
        undisturbed[stage] = campaign.contents(campaign.folder / "undisturbed")
    expected = undisturbed[stage]
    chance = random.Random(f"{what} {seed}")
    run = campaign.folder / f"{what}-{seed}"
    driver = campaign.start(run)
    wanted, deadline = chance.randrange(0, campaign.partitions * 4 // 5), time.monotonic() + 120
    while (
        driver.poll() is None
        and time.monotonic() < deadline
        and not (campaign.done(run) >= wanted and len(workers(driver)) == 2)
    ):
        time.sleep(0.005)
    time.sleep(chance.uniform(0, 0.1))
    orphans = workers(driver)
    assert orphans, "the run was over before anything was killed"
    if what == "driver":
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        assert any(path.startswith("status/c/") for path in expected)
        _, alive = psutil.wait_procs(orphans, timeout=30)
        assert not alive, "workers outlive their driver"
    else:
        chance.choice(orphans).send_signal(signal.SIGKILL)
        driver.wait(300)
    campaign.finish(run)
    found = campaign.contents(run)
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []
