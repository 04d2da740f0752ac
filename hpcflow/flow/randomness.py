"""Random numbers that belong to a key, and the slices of a batch that each own theirs."""

import hashlib
from typing import NamedTuple

import torch

__all__ = ["SLICES", "Slice", "generator_for", "slice_sizes", "slices_of"]

SLICES = 8


class Slice(NamedTuple):
    """A number of examples, and the random numbers they are made with."""

    n: int
    generator: torch.Generator


def generator_for(seed: int, *key: object, device: torch.device | str = "cpu") -> torch.Generator:
    """Return torch's random numbers that belong to `key` under `seed`, the same ones whenever they are asked for."""
    text = "\0".join(map(str, (seed, *key))).encode()
    number = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) >> 1
    return torch.Generator(device=device).manual_seed(number)


def slice_sizes(batch: int, ranks: int) -> list[int]:
    """Return how many of a batch's examples each slice has.

    >>> slice_sizes(20, 2)
    [3, 3, 3, 3, 2, 2, 2, 2]
    """
    count = max(SLICES, ranks)
    return [batch // count + (i < batch % count) for i in range(count)]


def slices_of(
    batch: int, seed: int, *key: object, rank: int = 0, ranks: int = 1, device: torch.device | str = "cpu"
) -> list[Slice]:
    """Return the slices of a batch that one rank makes; those of all ranks together do not depend on their number.

    Args:
        batch: examples of all ranks together.
        seed: of the random numbers.
        key: which batch it is; slice i owns the numbers of (*key, i).
        rank: which of the ranks.
        ranks: number of ranks.
        device: where the numbers are made.
    """
    return [
        Slice(n, generator_for(seed, *key, i, device=device))
        for i, n in enumerate(slice_sizes(batch, ranks))
        if i % ranks == rank and n
    ]
