"""Random numbers that depend on a seed and a key only, and the slices of a batch that have one key each."""

import hashlib
from typing import NamedTuple

import torch

__all__ = ["SLICES", "Slice", "generator_for", "slice_sizes", "slices_of"]

SLICES = 8


class Slice(NamedTuple):
    """A number of examples and the generator of their random numbers."""

    n: int
    generator: torch.Generator


def generator_for(seed: int, *key: object, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a torch generator of random numbers that depend on `seed` and `key` only."""
    text = "\0".join(map(str, (seed, *key))).encode()
    number = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) >> 1
    return torch.Generator(device=device).manual_seed(number)


def slice_sizes(batch: int, ranks: int) -> list[int]:
    """Return the number of a batch's examples in each slice.

    >>> slice_sizes(20, 2)
    [3, 3, 3, 3, 2, 2, 2, 2]
    """
    count = max(SLICES, ranks)
    return [batch // count + (i < batch % count) for i in range(count)]


def slices_of(
    batch: int, seed: int, *key: object, rank: int = 0, ranks: int = 1, device: torch.device | str = "cpu"
) -> list[Slice]:
    """Return the slices of a batch that one rank makes; all ranks together make the same batch, whatever their number.

    Args:
        batch: number of examples of all ranks together.
        seed: seed of the random numbers.
        key: key of the batch; slice i has the random numbers of (*key, i).
        rank: number of this process, from 0.
        ranks: number of ranks.
        device: where the numbers are generated.
    """
    return [
        Slice(n, generator_for(seed, *key, i, device=device))
        for i, n in enumerate(slice_sizes(batch, ranks))
        if i % ranks == rank and n
    ]
