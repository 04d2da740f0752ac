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


def sleep(folder: str, partition: Partition) -> None:
    """Stand for a task of the length that the number of workers gives."""
    time.sleep(float(folder))


@contextmanager
def sleepers(count: int, security: Security | None, folder: Path) -> Iterator[Workers]:
    """Give workers that share a process of their own."""
    secure = {"security": security, "protocol": "tls://"} if security else {}
    with (
        config.set(SETTINGS),
        LocalCluster(0, host="127.0.0.1", dashboard_address=None, silence_logs="CRITICAL", **secure) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        command = [sys.executable, __file__, cluster.scheduler_address, str(count), str(folder) if security else ""]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            client.wait_for_workers(count, timeout=300)
            yield Workers(client, count, f"{count} sleepers")
            process.terminate()


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


async def be_workers(address: str, count: int, folder: str) -> None:
    if folder:
        config.refresh(paths=[folder])
    ours = [Worker(address, nthreads=1, host="127.0.0.1", dashboard=False, memory_limit=0) for _ in range(count)]
    for start in range(0, count, 16):
        await asyncio.gather(*ours[start : start + 16])
    await asyncio.gather(*(worker.finished() for worker in ours))


if __name__ == "__main__":
    asyncio.run(be_workers(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
