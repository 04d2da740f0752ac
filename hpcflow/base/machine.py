"""Limits of the machine that a process can hit, and what to do about each of them."""

import errno
import os
import re
import resource

from hpcflow.base.errors import LimitError

__all__ = ["limit_error", "limit_of"]

# What an error number is about: options of `ulimit`, each with the kernel's name, a unit and what is counted.
ULIMITS: dict[int, list[tuple[str, int, float, str]]] = {
    errno.EFBIG: [("-f", resource.RLIMIT_FSIZE, 1e6, "MB in a file")],
    errno.EMFILE: [("-n", resource.RLIMIT_NOFILE, 1, "open files")],
    errno.ENOMEM: [("-v", resource.RLIMIT_AS, 1e9, "GB of memory"), ("-d", resource.RLIMIT_DATA, 1e9, "GB of memory")],
    errno.EAGAIN: [("-v", resource.RLIMIT_AS, 1e9, "GB of memory"), ("-u", resource.RLIMIT_NPROC, 1, "processes")],
}
REMEDIES = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
    errno.EFBIG: "use a disk that takes larger files",
    errno.EMFILE: "allow it more open files",
    errno.ENFILE: "close other programs",
    errno.ENOMEM: "give it more memory, or fewer workers",
    errno.EAGAIN: "allow it more processes",
}
MEMORY = (  # as torch, the loader of libraries and C++ say it
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "out of memory",
    "failed to map segment",
    "bad_alloc",
)
GPU = "CUDA out of memory"
THREADS = ("can't start new thread", "resource temporarily unavailable", "failed to create thread")


def limit_of(error: BaseException) -> str | None:
    """Return which limit an error, or one that it comes from, is about, and how to raise it; None if it is not one.

    >>> limit_of(OSError(errno.ENOSPC, "No space left on device"))
    'No space left on device: make room'
    >>> limit_of(OSError(errno.EMFILE, "Too many open files"))  # doctest: +ELLIPSIS
    'Too many open files: `ulimit -n` allows ... open files; raise it'
    >>> limit_of(ValueError("a bug"))
    """
    if GPU in str(error):
        return f"{GPU}: lower train.batch or train.resident_gb"
    number = _number(error)
    if number in REMEDIES:
        return f"{os.strerror(number)}: {_remedy(number)}"
    cause = error.__cause__ or error.__context__
    return None if cause is None else limit_of(cause)


def limit_error(error: BaseException, where: str = "") -> LimitError | None:
    """Return what to say of an error that is about a limit of the machine, None if it is not.

    Args:
        error: any error.
        where: what hit the limit, if that is known: a file, a run.
    """
    limit = limit_of(error)
    if limit is None:
        return None
    at = f"{where}: " if where else ""
    return LimitError(f"{at}{limit}, then run the same command again; finished work is kept")


def _number(error: BaseException) -> int:
    """Return the system's number of an error; of those that have none, by what they say."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    said = str(error).lower()
    if isinstance(error, MemoryError) or any(words in said for words in MEMORY):
        return errno.ENOMEM
    if any(words in said for words in THREADS):
        return errno.EAGAIN
    named = re.search(r"\(os error (\d+)\)", said)  # as libraries in Rust say it
    return int(named[1]) if named else 0


def _remedy(number: int) -> str:
    for option, kind, unit, what in ULIMITS.get(number, []):
        allowed, _ = resource.getrlimit(kind)
        if allowed != resource.RLIM_INFINITY:
            return f"`ulimit {option}` allows {allowed / unit:.5g} {what}; raise it"
    return REMEDIES[number]
