"""Workers on this machine: nobody else on it can reach them, and Ctrl-C is left to the driver."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hpcflow.base.errors import InputError
from hpcflow.compute.local import local_workers
from hpcflow.compute.workers import Workers
from intruder import intrude
from listening import places, refuse_http


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def workers(run: Path) -> Iterator[Workers]:
    with local_workers(1, run, "infer") as workers:
        workers.client.wait_for_workers(1)
        yield workers


def addresses(workers: Workers) -> list[str]:
    told = workers.client.scheduler_info()
    return [told["address"], *told["workers"], *(one["nanny"] for one in told["workers"].values())]


@pytest.mark.parametrize("kind", ["key", "tcp", "tls"])
def test_another_user_is_refused(workers: Workers, run: Path, kind: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    for address in addresses(workers):
        host, port = address.removeprefix("tls://").split(":")
        intrude(host, port, next(run.glob(".infer-workers*/key.pem")), kind)


def test_nothing_can_be_asked_by_http(workers: Workers) -> None:
    listening = set(places())
    assert len(listening) >= 3  # of the scheduler, the worker and its nanny
    assert {ip for ip, _ in listening} == {"127.0.0.1"}
    for place in listening:
        refuse_http(*place)


def test_a_second_driver_of_the_stage_is_refused(workers: Workers, run: Path) -> None:
    with pytest.raises(InputError, match="another `hpcflow infer` is running"), local_workers(1, run, "infer"):
        pass


def test_ctrl_c_does_not_reach_the_workers(workers: Workers) -> None:
    (pid,) = workers.client.run(os.getpid).values()
    os.kill(pid, signal.SIGINT)
    assert workers.client.submit(os.getpid, pure=False).result(timeout=20) == pid
    assert psutil.pid_exists(pid)


def test_the_certificate_goes_with_the_workers(tmp_path: Path) -> None:
    with local_workers(1, tmp_path, "simulate"):
        assert len(list(tmp_path.glob(".simulate-workers*"))) == 1
    assert list(tmp_path.glob(".*")) == []


def test_what_is_in_flight_is_known(workers: Workers) -> None:
    assert list(workers.running()) == []
    before = time.monotonic()
    futures = [workers.client.submit(time.sleep, 0.5 + 0.01 * i, pure=False) for i in range(3)]
    while len(workers.running()) == 0:
        time.sleep(0.01)
    (began,) = workers.running()  # there is one worker
    assert before <= began <= time.monotonic()
    workers.client.gather(futures)
    assert list(workers.running()) == []
