"""What a task costs the driver, in processor time: how many workers it feeds follows from it.

The workers are real ones, each with its connections to the scheduler, but share a process and sleep instead of working.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from dask import config
from distributed import Client, LocalCluster, Security, Worker

from hpcflow.base.partitions import Partition, partitions
from hpcflow.compute.dispatch import map_partitions
from hpcflow.compute.tls import run_certificate
from hpcflow.compute.workers import SETTINGS, Workers
from printed import table

pytestmark = pytest.mark.benchmark
TASKS = 2000
TASK_S = 0.2
CROWD = 1000  # workers at once
SHARE = 125  # workers that share a process; more would wait for each other, and not for the driver


def sleep(folder: str, partition: Partition) -> None:
    """Stand for a task of the length that the number of workers gives."""
    time.sleep(float(folder))


@contextmanager
def sleepers(count: int, security: Security | None, folder: Path) -> Iterator[Workers]:
    """Give workers that share processes of their own."""
    secure = {"security": security, "protocol": "tls://"} if security else {}
    with (
        config.set(SETTINGS),
        LocalCluster(
            n_workers=0, host="127.0.0.1", dashboard_address=None, silence_logs="CRITICAL", **secure
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        command = [sys.executable, __file__, cluster.scheduler_address, str(folder) if security else ""]
        shares = [min(SHARE, count - start) for start in range(0, count, SHARE)]
        processes = [subprocess.Popen([*command, str(share)], stderr=subprocess.DEVNULL) for share in shares]
        try:
            client.wait_for_workers(count, timeout=600)
            yield Workers(client, count, f"{count} sleepers")
        finally:
            for process in processes:
                process.terminate()
                process.wait()


def cost(count: int, security: Security | None, folder: Path) -> tuple[float, float]:
    """Return processor seconds of the driver per task, and tasks per second of wall time."""
    with sleepers(count, security, folder) as workers:
        map_partitions(workers, sleep, str(TASK_S), partitions(count, 1), lambda _: None)
        busy, began = time.process_time(), time.monotonic()
        assert map_partitions(workers, sleep, str(TASK_S), partitions(TASKS, 1), lambda _: None) == {}
        return (time.process_time() - busy) / TASKS, TASKS / (time.monotonic() - began)


def test_the_drivers_time_per_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = []
    for count in (16, 64):
        plain, rate = cost(count, None, tmp_path)
        secure, secure_rate = cost(count, run_certificate(tmp_path), tmp_path)
        times = [f"{1e3 * plain:.2f} ms", f"{1e3 * secure:.2f} ms", f"{secure / plain:.2f}"]
        rows.append([count, *times, f"{rate:.0f}, {secure_rate:.0f}"])
    with capsys.disabled():
        print("\n" + table(["workers", "driver, a task", "with TLS", "times as much", "tasks/s here"], rows))


def test_a_driver_of_a_thousand_workers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tasks so short that workers wait for the driver give its rate; tasks of 20 s are what it should be asked for."""
    rows, this = [], psutil.Process()
    before = this.memory_info().rss
    with sleepers(CROWD, run_certificate(tmp_path), tmp_path) as workers:
        map_partitions(workers, sleep, "0.1", partitions(CROWD, 1), lambda _: None)
        for task_s, tasks in ((0.1, 10 * CROWD), (20.0, 5 * CROWD)):
            busy, began = time.process_time(), time.monotonic()
            assert map_partitions(workers, sleep, str(task_s), partitions(tasks, 1), lambda _: None) == {}
            busy, span = time.process_time() - busy, time.monotonic() - began
            memory = f"{(this.memory_info().rss - before) / 2**20:.0f} MiB"
            asleep = f"{task_s * tasks / (CROWD * span):.2f}"
            rows.append([f"{task_s} s", tasks, f"{tasks / span:.0f}", f"{1e3 * busy / tasks:.2f} ms", asleep, memory])
    with capsys.disabled():
        print("\n" + table(["a task", "tasks", "tasks/s", "driver, a task", "workers asleep", "memory"], rows))


async def be_workers(address: str, folder: str, count: int) -> None:
    if folder:
        config.refresh(paths=[folder])
    ours = [Worker(address, nthreads=1, host="127.0.0.1", dashboard=False, memory_limit=0) for _ in range(count)]
    for start in range(0, count, 16):
        await asyncio.gather(*ours[start : start + 16])
    await asyncio.gather(*(worker.finished() for worker in ours))


if __name__ == "__main__":
    asyncio.run(be_workers(sys.argv[1], sys.argv[2], int(sys.argv[3])))
