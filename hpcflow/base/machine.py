"""Limits of the machine that a process can hit, and what to do about each of them."""

import errno
import os

__all__ = ["limit_of"]

LIMITS = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
    errno.EFBIG: "raise `ulimit -f`",
    errno.EMFILE: "raise `ulimit -n`",
    errno.ENFILE: "close other programs",
    errno.ENOMEM: "give it more memory, or raise `ulimit -v`",
    errno.EAGAIN: "raise `ulimit -u`",
}
MEMORY = ("can't allocate memory", "not enough memory", "out of memory")  # as torch says it
THREADS = ("can't start new thread", "Resource temporarily unavailable")


def limit_of(error: BaseException) -> str | None:
    """Return which limit an error, or one that it comes from, is about, and how to raise it; None if it is not one.

    >>> limit_of(OSError(errno.EMFILE, "Too many open files"))
    'Too many open files: raise `ulimit -n`'
    >>> limit_of(MemoryError())
    'Cannot allocate memory: give it more memory, or raise `ulimit -v`'
    >>> limit_of(ValueError("a bug"))
    """
    number = _number(error)
    if number in LIMITS:
        return f"{os.strerror(number)}: {LIMITS[number]}"
    cause = error.__cause__ or error.__context__
    return None if cause is None else limit_of(cause)


def _number(error: BaseException) -> int:
    """Return the system's number of an error; of those that have none, by what they say."""
    if isinstance(error, OSError):
        return error.errno or 0
    if isinstance(error, MemoryError) or any(words in str(error) for words in MEMORY):
        return errno.ENOMEM
    return errno.EAGAIN if any(words in str(error) for words in THREADS) else 0
