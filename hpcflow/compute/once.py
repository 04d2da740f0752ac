"""What a worker loads once, however many partitions it does."""

from collections.abc import Callable
from functools import cache
from typing import TypeVar

__all__ = ["forget", "once_per_worker"]

T = TypeVar("T")

_forgetting: list[Callable[[], None]] = []


def once_per_worker(load: Callable[[str], T]) -> Callable[[str], T]:
    """Remember what a function of the run folder returned, for as long as the worker lives.

    >>> numbers = iter(range(10))
    >>> count = once_per_worker(lambda run: next(numbers))
    >>> count("a"), count("a"), count("b")
    (0, 0, 1)
    """
    remembered = cache(load)
    _forgetting.append(remembered.cache_clear)
    return remembered


def forget() -> None:
    """Forget all of it: what comes next is loaded as a new worker would load it."""
    for clear in _forgetting:
        clear()
