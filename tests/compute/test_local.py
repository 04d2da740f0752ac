"""Workers on this machine: nobody else on it can reach them, and Ctrl-C is left to the driver."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hpcflow.base.errors import InputError
from hpcflow.compute.local import local_workers
from hpcflow.compute.workers import Workers
from listening import places, refuse_http

# As another user sees them, with nothing but what every Python has.
INTRUDER = """
import socket, ssl, sys
host, port, key, kind = sys.argv[1:]
if kind == "key":
    open(key).read()
channel = socket.create_connection((host, int(port)), timeout=10)
if kind == "tls":
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    channel = anybody.wrap_socket(channel)
channel.sendall(bytes(8) + b"hello")
sys.exit(0 if channel.recv(1) else "nothing is said")
"""


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
        arguments = [
            "/usr/bin/env",
            "-i",
            "python3",
            "-c",
            INTRUDER,
            host,
            port,
            next(run.glob(".infer-workers*/key.pem")),
            kind,
        ]
        found = subprocess.run(
            arguments, user="nobody", group=65534, extra_groups=[], cwd="/", capture_output=True, text=True, timeout=30
        )
        assert found.returncode == 1, found
        expected = {"key": "PermissionError", "tcp": "nothing is said|ConnectionResetError", "tls": "SSL|Reset"}[kind]
        assert any(words in found.stderr for words in expected.split("|")), found.stderr


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
