"""Where processor time goes: clocks that run on whoever else uses the machine do not count."""

import functools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
import torch

__all__ = ["interleaved", "peak_flops", "spent_in"]

Key = TypeVar("Key")


def interleaved(contestants: Mapping[Key, Callable[[], object]], repeats: int) -> dict[Key, float]:
    """Return the median processor seconds of each contestant, all taking turns, after a turn that does not count."""
    times: dict[Key, list[float]] = defaultdict(list)
    for turn in range(repeats + 1):
        for name, run in contestants.items():
            start = time.process_time()
            run()
            if turn:
                times[name].append(time.process_time() - start)
    return {name: float(np.median(found)) for name, found in times.items()}


def peak_flops(size: int = 2048, repeats: int = 7) -> float:
    """Return the float32 operations per processor second of a large matrix product, the best of a few."""
    left, right = torch.randn(size, size), torch.randn(size, size)
    torch.mm(left, right)
    times = []
    for _ in range(repeats):
        start = time.process_time()
        torch.mm(left, right)
        times.append(time.process_time() - start)
    return 2 * size**3 / min(times)


@contextmanager
def spent_in(module: ModuleType, package: str) -> Iterator[dict[str, float]]:
    """Measure the processor seconds in each function that a module imports from a package's others, by its name.

    What one of them spends in another counts for the inner one alone.
    """
    spent: dict[str, float] = defaultdict(float)
    inside: list[float] = []

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            inside.append(0.0)
            start = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                took = time.process_time() - start
                spent[name] += took - inside.pop()
                if inside:
                    inside[-1] += took

        return run

    imported = {
        name: value
        for name, value in vars(module).items()
        if callable(value)
        and not isinstance(value, type)
        and str(getattr(value, "__module__", "")).startswith(package)
        and value.__module__ != module.__name__
    }
    for name, function in imported.items():
        setattr(module, name, timed(name, function))
    try:
        yield spent
    finally:
        for name, function in imported.items():
            setattr(module, name, function)
