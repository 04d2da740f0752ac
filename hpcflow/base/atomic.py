"""Atomic writes: files and folders that appear whole or not at all.

A new file is written in a hidden folder beside its place and renamed at the end; no two writers share such a folder. A
writer locks its folder while it lives, so that the next writer can tell what a dead one left behind, and remove it.
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

__all__ = ["atomic", "atomic_folder", "own_folder", "write_whole"]

ALIVE = ".alive"  # the file that a writer locks


@contextmanager
def atomic(path: Path, durable: bool = False) -> Iterator[Path]:
    """Give a path to write to; unless the block raises, the new file replaces the one at `path`.

    If several write at once, the last one wins.

    Args:
        path: the file, in a folder that exists.
        durable: whether to wait until the file is on the disk.
    """
    with own_folder(path) as folder:
        growing = folder / path.name
        yield growing
        if durable:
            _flush(growing)
        growing.replace(path)
        if durable:
            _flush(path.parent)


@contextmanager
def atomic_folder(path: Path, new: bool = False) -> Iterator[Path]:
    """Give an empty folder to fill; unless the block raises, it replaces the one at `path`.

    If several write at once, the last one wins. A folder cannot be renamed over another, so an older one is moved away
    first: for a moment there is neither.

    Args:
        path: the folder, in a folder that exists.
        new: whether to raise if the folder exists already, instead of replacing it.

    Raises:
        FileExistsError: if `new` is set and the folder exists.
    """
    with own_folder(path) as folder:
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
    """Write a text in UTF-8 atomically."""
    with atomic(path) as growing:
        growing.write_text(text, encoding="utf-8")


@contextmanager
def own_folder(path: Path) -> Iterator[Path]:
    """Give a hidden folder beside a path, which only its owner can read, and remove it afterwards.

    This process locks it; those that dead processes have left behind for the same path are removed first.

    Args:
        path: the path, in a folder that exists; nothing has to be there.
    """
    for left in path.parent.glob(f".{escape(path.name)}.*.new"):
        if _is_of_the_dead(left):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        with (folder / ALIVE).open("w") as alive:
            with suppress(OSError):  # on file systems without locks nothing is removed
                fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
            folder = folder.rename(f"{folder}.new")  # others look for this name, so not before it is locked
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_of_the_dead(folder: Path) -> bool:
    """Return whether the process that made a hidden folder has ended."""
    try:
        with (folder / ALIVE).open("r+") as alive:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:  # another process has begun to remove it
        return True
    except OSError:
        return False
    return True


def _flush(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
