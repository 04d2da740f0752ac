"""Partitions of rows, and the random numbers that belong to a partition or to any other key."""

import hashlib
from dataclasses import dataclass

import numpy as np

__all__ = ["Partition", "partitions", "rng_for", "split"]


@dataclass(frozen=True)
class Partition:
    """Rows start .. stop - 1 of a store, the unit of work and of writing.

    >>> len(Partition(2, 200, 300))
    100
    """

    index: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def partitions(n: int, size: int) -> list[Partition]:
    """Cut `n` rows into partitions of `size`; the last may be shorter.

    >>> [(p.start, p.stop) for p in partitions(5, 2)]
    [(0, 2), (2, 4), (4, 5)]
    """
    return [Partition(i, start, min(start + size, n)) for i, start in enumerate(range(0, n, size))]


def rng_for(seed: int, *key: object) -> np.random.Generator:
    """Return the generator of the random numbers that belong to `key` under `seed`, the same for every caller.

    Philox is counter-based: streams of different keys are independent (Salmon et al. 2011, SC'11).

    >>> bool(rng_for(1, "simulate", 0).random() == rng_for(1, "simulate", 0).random())
    True
    """
    text = "\0".join(map(str, (seed, *key))).encode()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(hashlib.blake2b(text, digest_size=16).digest())))


def split(count: int, seed: int) -> tuple[list[int], list[int], list[int]]:
    """Split partitions into training, validation and test sets; the last two get 1 in 20 each, and at least one.

    >>> [len(part) for part in split(40, seed=1)]
    [36, 2, 2]
    """
    order = rng_for(seed, "split").permutation(count).tolist()
    held = max(1, count // 20)
    return sorted(order[2 * held :]), sorted(order[:held]), sorted(order[held : 2 * held])
