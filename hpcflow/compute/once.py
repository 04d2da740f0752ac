"""Objects that a worker loads once, however many partitions it processes."""

from collections.abc import Callable
from functools import cache
from typing import TypeVar

__all__ = ["forget", "once_per_worker"]

T = TypeVar("T")

_forgetting: list[Callable[[], None]] = []


def once_per_worker(load: Callable[[str], T]) -> Callable[[str], T]:
    """Cache the result of a function of the run folder for the lifetime of the worker.

    >>> numbers = iter(range(10))
    >>> count = once_per_worker(lambda run: next(numbers))
    >>> count("a"), count("a"), count("b")
    (0, 0, 1)
    """
    remembered = cache(load)
    _forgetting.append(remembered.cache_clear)
    return remembered


def forget() -> None:
    """Forget all cached results, so that everything is loaded again as in a new worker."""
    for clear in _forgetting:
        clear()
