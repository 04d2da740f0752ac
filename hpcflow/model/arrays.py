"""What arrays of any library on any device need: to be moved, looked up in, and cut into blocks."""

from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

__all__ = ["Array", "between", "blocks", "moved", "mover"]

Array = Any  # numpy array or torch tensor

LARGER = 32  # a GPU is kept busy by larger blocks than those that stay in a processor's cache


def mover(xp: Any, place: Any) -> Callable[[np.ndarray[Any, Any]], Array]:
    """Return a function that gives a numpy array as one of a library on a device.

    Args:
        xp: the library's array API namespace.
        place: the device where to; floats become float32 where it has no float64.
    """
    known = xp.__array_namespace_info__().dtypes(device=place, kind="real floating")
    floating = known.get("float64", xp.float32)

    def move(array: np.ndarray[Any, Any]) -> Array:
        return xp.asarray(array, dtype=floating if array.dtype.kind == "f" else xp.int64, device=place)

    return move


def moved(thing: Any, move: Callable[[np.ndarray[Any, Any]], Array]) -> Any:
    """Return a copy of an object whose arrays, and those of the objects in it, are moved.

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
    """Return left and share of each x: it lies at the share (0 to 1) from nodes[left] to nodes[left + 1].

    >>> left, share = between(np.array([1.0, 3.0, 10.0]), np.array([2.0, 10.0]))
    >>> left.tolist(), share.tolist()
    ([0, 1], [0.5, 1.0])

    Args:
        nodes: (K,) rising.
        x: of any shape, between the first node and the last.
    """
    xp = array_namespace(nodes)
    left = xp.searchsorted(nodes, x, side="right") - 1
    left = xp.maximum(xp.minimum(left, len(nodes) - 2), 0)
    return left, (x - nodes[left]) / (nodes[left + 1] - nodes[left])


def blocks(rows: Array, size: int) -> Iterator[slice]:
    """Give slices of at most `size` rows, or of more of them where they do not lie with the processor."""
    step = size if str(device(rows)) == "cpu" else LARGER * size
    return (slice(start, start + step) for start in range(0, len(rows), step))
