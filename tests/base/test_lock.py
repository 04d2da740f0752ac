"""Locks, also where there are none."""

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hpcflow.base import lock
from hpcflow.base.errors import InputError
from hpcflow.base.lock import alone, holder_of


def test_a_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lock"
    with alone(path, "`it`"), pytest.raises(InputError, match="another `it` is running"), alone(path, "`it`"):
        pass
    with alone(path, "`it`"):
        pass


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_said_and_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with alone(tmp_path / "lock", "`it`"):
        assert "is on a file system without locks; make sure that no other `it` runs there" in caplog.text


def test_the_holder_is_known_while_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert holder_of(path) is None
    with alone(path, "`it`"):
        found = holder_of(path)
        assert found is not None and found.alive
        assert (found.host, found.pid) == (socket.gethostname(), os.getpid())
        assert abs(found.since - time.time()) < 60
        with pytest.raises(InputError, match=f"process {os.getpid()} on {socket.gethostname()}, since 20.*wait until"):
            alone(path, "`it`").__enter__()
        assert holder_of(path) == found
    assert holder_of(path) is None


def test_a_holder_that_was_killed_is_said_to_be_gone(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = "import sys, time; from pathlib import Path; from hpcflow.base.lock import alone\n"
    code += "with alone(Path(sys.argv[1]), 'it'): print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline() == b"held\n"
        found = holder_of(path)
        assert found is not None and found.alive and found.pid == child.pid
        child.send_signal(signal.SIGKILL)
    found = holder_of(path)
    assert found is not None and not found.alive
    with alone(path, "`it`"):
        found = holder_of(path)
        assert found is not None and found.alive and found.pid == os.getpid()


def test_somebody_who_looks_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock"
    path.touch()
    with path.open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        monkeypatch.setattr(time, "sleep", lambda _: fcntl.flock(looking, fcntl.LOCK_UN))
        with alone(path, "`it`"):
            pass


def test_a_node_that_may_have_died_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "lock"
    path.write_text(json.dumps({"host": "node7", "pid": 12, "since": 0.0, "alive": True}))
    monkeypatch.setattr(lock, "LOOK_S", 0.0)
    with path.open() as elsewhere:
        fcntl.flock(elsewhere, fcntl.LOCK_EX)
        monkeypatch.setattr(lock, "LAPSE_S", 0.2)
        with pytest.raises(InputError, match="process 12 on node7"):
            alone(path, "`it`").__enter__()
        assert caplog.text.count("lock is locked by process 12 on node7") == 1
        monkeypatch.setattr(lock, "LAPSE_S", 60.0)
        monkeypatch.setattr(time, "sleep", lambda _: fcntl.flock(elsewhere, fcntl.LOCK_UN))
        with alone(path, "`it`"):
            pass


@pytest.mark.parametrize(("host", "alive"), [("node7", True), (socket.gethostname(), False)])
def test_without_locks_a_holder_is_judged_by_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, alive: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    path = tmp_path / "lock"
    path.write_text(json.dumps({"host": host, "pid": 2**22 + 1, "since": 0.0, "alive": True}))  # more than Linux gives
    monkeypatch.setattr(fcntl, "flock", refuse)
    found = holder_of(path)
    assert found is not None and found.alive == alive
