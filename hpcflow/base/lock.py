"""One at a time: two drivers of one stage would each take the other's workers for what a dead one left behind."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hpcflow.base.errors import InputError

__all__ = ["alone"]


@contextmanager
def alone(path: Path, what: str) -> Iterator[None]:
    """Refuse to go on while another process holds the file; it lets go when it ends, however that is.

    Args:
        path: of the file; it is made, and stays.
        what: is at work while it is held.

    Raises:
        InputError: if another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            raise InputError(f"another {what} is at work in {path.parent}; wait for its end") from e
        yield
