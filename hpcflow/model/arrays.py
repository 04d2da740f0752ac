"""Helpers for arrays of any library on any device: move them, interpolate between nodes, cut them into blocks."""

from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

__all__ = ["Array", "between", "blocks", "moved", "mover"]

Array = Any  # numpy array or torch tensor

LARGER = 32  # a GPU needs larger blocks than those that fit a processor's cache


def mover(xp: Any, place: Any) -> Callable[[np.ndarray[Any, Any]], Array]:
    """Return a function that converts a numpy array to another library's array on a device.

    Args:
        xp: the library's array API namespace.
        place: the device; floats become float32 where it has no float64.
    """
    known = xp.__array_namespace_info__().dtypes(device=place, kind="real floating")
    floating = known.get("float64", xp.float32)

    def move(array: np.ndarray[Any, Any]) -> Array:
        return xp.asarray(array, dtype=floating if array.dtype.kind == "f" else xp.int64, device=place)

    return move


def moved(thing: Any, move: Callable[[np.ndarray[Any, Any]], Array]) -> Any:
    """Return a copy of an object with all arrays in it moved, however deeply they are nested.

    >>> from types import SimpleNamespace
    >>> tables = SimpleNamespace(slopes=np.array([1.0]), cells=[np.array([2.0])], end=2.0)
    >>> twice = moved(tables, lambda array: 2 * array)
    >>> twice.slopes.tolist(), twice.cells[0].tolist(), twice.end, tables.slopes.tolist()
    ([2.0], [4.0], 2.0, [1.0])
    """
    if isinstance(thing, np.ndarray):
        return move(thing)
    if isinstance(thing, list):
        return [moved(part, move) for part in thing]
    if not hasattr(thing, "__dict__"):
        return thing
    other = copy(thing)
    vars(other).update({name: moved(value, move) for name, value in vars(thing).items()})
    return other


def between(nodes: Array, x: Array) -> tuple[Array, Array]:
    """Return, for each x, the node to its left and the fraction (0 to 1) of the way to the next node.

    >>> left, share = between(np.array([1.0, 3.0, 10.0]), np.array([2.0, 10.0]))
    >>> left.tolist(), share.tolist()
    ([0, 1], [0.5, 1.0])

    Args:
        nodes: (K,) in ascending order.
        x: any shape, between the first and the last node.
    """
    xp = array_namespace(nodes)
    left = xp.searchsorted(nodes, x, side="right") - 1
    left = xp.maximum(xp.minimum(left, len(nodes) - 2), 0)
    return left, (x - nodes[left]) / (nodes[left + 1] - nodes[left])


def blocks(rows: Array, size: int) -> Iterator[slice]:
    """Yield slices of at most `size` rows on a CPU, and of larger blocks on other devices."""
    step = size if str(device(rows)) == "cpu" else LARGER * size
    return (slice(start, start + step) for start in range(0, len(rows), step))
