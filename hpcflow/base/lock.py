"""A lock against second drivers: each would take the other's workers for leftovers of a dead one."""

import errno
import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hpcflow.base.errors import InputError

__all__ = ["alone"]

log = logging.getLogger("hpcflow")
WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # on some parallel file systems, or as these are mounted


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
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            raise InputError(f"another {what} is running in {path.parent}; wait until it ends") from e
        except OSError as e:
            if e.errno not in WITHOUT_LOCKS:
                raise
            log.warning("%s is on a file system without locks; make sure that no other %s runs there", path, what)
        yield
