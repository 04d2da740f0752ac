"""Workers in the driver's own allocation, on a real SLURM."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from hpcflow.base.errors import InputError
from hpcflow.base.partitions import Partition, partitions
from hpcflow.compute.dispatch import map_partitions
from hpcflow.compute.runner import runner_workers
from hpcflow.compute.site import Resources, Site

INSIDE = Site("inside", worker=Resources(interface="lo", memory_gb=0.6))
ROOT = Path(__file__).parents[2]


def task(folder: str, partition: Partition) -> None:
    """Take a moment, and write the step that did it."""
    time.sleep(0.3)
    Path(folder, f"done-{partition.index}").write_text(os.environ["SLURM_STEP_ID"])


def drive() -> None:
    """Be a driver, in an allocation: have partitions done by workers here, and kill one of these and its nanny."""
    here, job, killed = Path.cwd(), os.environ["SLURM_JOB_ID"], list[int]()

    def kill_a_task() -> None:
        if not killed and list(here.glob("done-*")):
            nannies = [p for p in psutil.process_iter() if "distributed.cli.dask_worker" in p.cmdline()]
            nanny = next(p for p in nannies if p.environ().get("SLURM_JOB_ID") == job)
            nanny.kill()
            killed.append(nanny.pid)

    with runner_workers(INSIDE, here, "simulate") as workers:
        print(map_partitions(workers, task, str(here), partitions(150, 1), lambda _: None, check=kill_a_task))


def test_it_needs_an_allocation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_NTASKS", "2")
    with pytest.raises(InputError, match="need an allocation of at least three tasks"):  # noqa: SIM117
        with runner_workers(INSIDE, tmp_path, "simulate"):
            pass


def submitted(folder: Path, script: str) -> str:
    """Run a driver in an allocation of four tasks, and return what it says."""
    (folder / "script").write_text(f"#!/bin/bash\n{script}\n")
    asked = ["--wait", "--ntasks=4", "--mem-per-cpu=600M", "--output=said"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)])}
    done = subprocess.run(["sbatch", *asked, "script"], env=environment, cwd=folder)
    said = (folder / "said").read_text()
    assert done.returncode == 0, said
    return said


@pytest.mark.slurm
def test_workers_in_the_drivers_own_allocation_write_the_same_bytes(tmp_path: Path, tiny: Callable[..., Path]) -> None:
    config, here, there = tiny(), tmp_path / "here", tmp_path / "there"
    (tmp_path / "site.yaml").write_text("{name: inside, interface: lo, pool: runner}")
    command = [sys.executable, "-m", "hpcflow", "simulate", str(config), "--run", here, "--workers", "1"]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
    said = submitted(tmp_path, f'"{sys.executable}" -m hpcflow simulate tiny.yaml --run there --site ./site.yaml')
    assert "on 2 workers in this allocation of inside" in said
    assert contents(here) == contents(there)


def contents(run: Path) -> dict[str, bytes]:
    store = run / "simulations.zarr"
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


@pytest.mark.slurm
def test_a_task_that_is_lost_is_replaced(tmp_path: Path) -> None:
    begin = "from hpcflow.compute import runner; runner.START_S = 15; from test_runner import drive"
    said = submitted(tmp_path, f'"{sys.executable}" -c "{begin}; drive()"')
    assert said.splitlines()[-1] == "{}", said
    steps = [path.read_text() for path in tmp_path.glob("done-*")]
    assert len(steps) == 150
    assert set(steps) == {"0", "1"}, said
