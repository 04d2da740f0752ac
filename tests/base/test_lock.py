"""Locks, also where there are none."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

from hpcflow.base.errors import InputError
from hpcflow.base.lock import alone


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
