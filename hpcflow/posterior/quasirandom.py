"""The random numbers of one object: independent, or quasi-random, which fill the space more evenly.

Quasi-random points are a scrambled Sobol sequence (Owen 1998, ACM Trans. Model. Comput. Simul. 8, 71), scrambled by the
object's own key. Two thousand of them give quantiles more precisely than ten thousand independent ones
(docs/performance.md).
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc
from torch import Tensor

from hpcflow.base.partitions import rng_for

__all__ = ["INDEPENDENT", "SOBOL", "keyed_noise", "keyed_uniform"]

Floats = NDArray[np.float64]

INDEPENDENT, SOBOL = "independent", "sobol"
BITS = 30  # of a quasi-random number


def keyed_noise(
    seed: int, key: Sequence[object], n: int, dim: int, sampling: str = INDEPENDENT, parts: int = 1
) -> Tensor:
    """Return standard normal noise (n, D) that depends only on the seed and the object's key.

    Args:
        seed: seed of all random numbers.
        key: key of the object.
        n: number of points.
        dim: number D of parameters.
        sampling: `independent` or `sobol`.
        parts: number of parts, each of every `parts`-th point, that have to fill the space by themselves.
    """
    if sampling == INDEPENDENT:
        return torch.from_numpy(rng_for(seed, "posterior", *key).standard_normal((n, dim), dtype=np.float32))
    return torch.from_numpy(ndtri(keyed_uniform(seed, key, n, dim, parts)).astype(np.float32))


def keyed_uniform(seed: int, key: Sequence[object], n: int, dim: int, parts: int = 1) -> Floats:
    """Return quasi-random points (n, D), uniform between 0 and 1; see `keyed_noise`.

    >>> points = keyed_uniform(1, ("NGC628", "7"), 64, 2)
    >>> np.sort(points[:, 0] * 64).astype(int).tolist() == list(range(64))
    True
    """
    rng = np.random.default_rng(rng_for(seed, "posterior", *key).integers(2**63))  # scipy needs one that can spawn
    sequence = qmc.Sobol(dim + (parts > 1), scramble=True, bits=BITS, rng=rng)
    points = sequence.random_base2(max(n - 1, 1).bit_length())[:n] + 0.5**BITS / 2  # away from 0
    return points if parts == 1 else _dealt(points[:, 1:], points[:, 0], parts)


def _dealt(points: Floats, by: Floats, parts: int) -> Floats:
    """Return the points (n, D) in an order in which every `parts`-th has a value `by` (n,) in the same interval.

    Every other point of a Sobol sequence fills half of the space only; those chosen by one more coordinate fill it all.
    """
    n = len(points)
    sizes = n // parts + (np.arange(parts) < n % parts)
    part = np.empty(n, dtype=np.intp)
    part[np.argsort(by)] = np.repeat(np.arange(parts), sizes)
    place = np.concatenate([number + parts * np.arange(size) for number, size in enumerate(sizes)])
    found = np.empty_like(points)
    found[place] = points[np.argsort(part, kind="stable")]
    return found
