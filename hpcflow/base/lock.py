"""A lock against second drivers, each of which would take the other's workers for leftovers of a dead one.

The file says who holds the lock, for those who want to know whether a stage is running.
"""

import errno
import fcntl
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from hpcflow.base.errors import InputError

__all__ = ["Holder", "alone", "holder_of"]

log = logging.getLogger("hpcflow")
WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # on some parallel file systems, or as these are mounted
LOOK_S = 0.25  # for which those who only look may hold the lock
LAPSE_S = 120.0  # after which a file system forgets the locks of a node that died
PAUSE_S = 0.05


@dataclass(frozen=True)
class Holder:
    """A process that holds a lock, or held it when it was killed.

    Args:
        host: name of its machine.
        pid: its number there.
        since: time at which it took the lock, in seconds since 1970.
        alive: whether it still holds the lock.
    """

    host: str
    pid: int
    since: float
    alive: bool = True

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {time.strftime('%Y-%m-%d %H:%M', time.localtime(self.since))}"


@contextmanager
def alone(path: Path, what: str) -> Iterator[None]:
    """Hold a lock file, and refuse to start while another process holds it; a process releases it however it ends.

    Args:
        path: the lock file; it is created, and stays.
        what: what runs while the lock is held, for the message.

    Raises:
        InputError: if another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            _take(file)
        except BlockingIOError as e:
            other = _read(file)
            who = f" ({other})" if other else ""
            raise InputError(f"another {what} is running in {path.parent}{who}; wait until it ends") from e
        except OSError as e:
            if e.errno not in WITHOUT_LOCKS:
                raise
            log.warning("%s is on a file system without locks; make sure that no other %s runs there", path, what)
        file.truncate(0)
        me = Holder(socket.gethostname(), os.getpid(), time.time())
        file.write(json.dumps(asdict(me)))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def holder_of(path: Path) -> Holder | None:
    """Return who holds a lock file, or was killed while holding it; None if it was released, or never taken."""
    try:
        with path.open() as file:
            found = _read(file)
            if found is None:
                return None
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return found
            except OSError:  # there are no locks to ask
                return Holder(found.host, found.pid, found.since, _may_live(found))
            return Holder(found.host, found.pid, found.since, alive=False)
    except OSError:
        return None


def _take(file: IO[str]) -> None:
    """Lock a file, with patience for those who only look, and for a holder whose node may have died."""
    began, said = time.monotonic(), False
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = _read(file)
            elsewhere = other is not None and other.host != socket.gethostname()
            if time.monotonic() - began > (LAPSE_S if elsewhere else LOOK_S):
                raise
            if elsewhere and not said:
                log.warning("%s is locked by %s; waiting up to %.0f s for it", file.name, other, LAPSE_S)
                said = True
            time.sleep(PAUSE_S)


def _read(file: IO[str]) -> Holder | None:
    try:
        file.seek(0)
        return Holder(**json.loads(file.read()))
    except (ValueError, TypeError):
        return None


def _may_live(found: Holder) -> bool:
    """Return whether a process lives, as far as this machine can tell."""
    if found.host != socket.gethostname():
        return True
    try:
        os.kill(found.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
