"""Files and folders that are there whole or not at all.

What is new grows in a hidden folder beside its place, which no two writers share, and is renamed at the end. The writer
locks that folder for as long as it lives, so that the next one knows what a dead one left, and removes it.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from itertools import count
from pathlib import Path
from tempfile import mkdtemp

__all__ = ["atomic", "atomic_folder", "write_whole"]

ALIVE = ".alive"  # the file that a writer locks


@contextmanager
def atomic(path: Path, durable: bool = False) -> Iterator[Path]:
    """Give a path to write a file at, which replaces the one at `path` unless the block raises.

    Of several writers at once the last one wins.

    Args:
        path: of the file, in a folder that is there.
        durable: whether the file is on the disk, and not only on its way there, when the block has ended.
    """
    with _own_folder(path) as folder:
        growing = folder / path.name
        yield growing
        if durable:
            _flush(growing)
        growing.replace(path)
        if durable:
            _flush(path.parent)


@contextmanager
def atomic_folder(path: Path, new: bool = False) -> Iterator[Path]:
    """Give an empty folder to fill, which replaces the one at `path` unless the block raises.

    Of several writers at once the last one wins. An older folder is moved away first, as none can be renamed over
    another: for that moment there is neither.

    Args:
        path: of the folder, in a folder that is there.
        new: whether to keep an older folder, and raise.

    Raises:
        FileExistsError: if there is an older folder that is to be kept.
    """
    with _own_folder(path) as folder:
        growing = folder / path.name
        growing.mkdir()
        yield growing
        for attempt in count():
            if not new:
                with suppress(FileNotFoundError):
                    path.rename(folder / f".older-{attempt}")
            try:
                growing.rename(path)
                return
            except OSError as e:
                if e.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
                if new:
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from e


def write_whole(path: Path, text: str) -> None:
    """Write a text in UTF-8 as `atomic` does."""
    with atomic(path) as growing:
        growing.write_text(text, encoding="utf-8")


@contextmanager
def _own_folder(path: Path) -> Iterator[Path]:
    """Give a hidden folder beside a path that is locked by this process, and remove it afterwards."""
    for left in path.parent.glob(f".{escape(path.name)}.*.new"):
        if _is_of_the_dead(left):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        with (folder / ALIVE).open("w") as alive:
            with suppress(OSError):  # on a disk that knows no locks nothing is removed
                fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
            folder = folder.rename(f"{folder}.new")  # others look for this name, so not before it is locked
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_of_the_dead(folder: Path) -> bool:
    """Whether the process that made a hidden folder has ended."""
    try:
        with (folder / ALIVE).open("r+") as alive:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:  # another process has begun to remove it
        return True
    except OSError:
        return False
    return True


def _flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
