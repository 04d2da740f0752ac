"""How far samples of one posterior are from samples of another: the flow's from the exact one's, cluster by cluster."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.stats import wasserstein_distance

__all__ = ["c2st", "wasserstein"]

Floats = NDArray[np.floating]


def wasserstein(samples: Floats, exact: Floats) -> Floats:
    """Return the Wasserstein-1 distance of each marginal (D,), in standard deviations of the exact one.

    Two finite sets of the same posterior are a little apart as well: 2 / sqrt(n) if it is normal.

    Args:
        samples: (n, D).
        exact: (m, D) that they are held against.
    """
    spread = np.maximum(exact.std(axis=0), np.finfo(float).tiny)
    pairs = zip(samples.T, exact.T, spread, strict=True)
    return np.array([wasserstein_distance(a, b) / s for a, b, s in pairs])


def c2st(samples: Floats, exact: Floats) -> float:
    """Return how often a classifier tells two sets of samples apart: 0.5 if it cannot, 1 if always.

    The classifier is the majority of the nearest neighbours, sqrt(n) of all others, in the exact samples' own
    covariance. Each sample is left out of what it is judged by: cross-validation to the last one. So is one sample
    of the other set, which would be in the majority otherwise.
    Source: Lopez-Paz & Oquab 2017 (arXiv:1610.06545), sect. 3, C2ST-KNN; local, since both are of one cluster.

    Args:
        samples: (n, D).
        exact: (n, D) that they are held against.
    """
    offset = exact - exact.mean(axis=0)
    covariance = np.cov(offset.T)
    root = np.linalg.cholesky(covariance + np.diag(1e-6 * np.diag(covariance) + 1e-30))
    points = np.linalg.solve(root, (np.concatenate([samples, exact]) - exact.mean(axis=0)).T).T
    ours = np.arange(len(points)) < len(samples)
    odd = int(np.sqrt(len(points))) // 2 * 2 + 1  # so that there is always a majority
    _, nearest = KDTree(points).query(points, odd + 2)
    place = np.arange(len(points))
    left = (nearest != place[:, None]) & (nearest != np.roll(place, len(exact))[:, None])
    first = np.argsort(~left, axis=1, kind="stable")[:, :odd]
    votes = np.take_along_axis(ours[nearest], first, axis=1).mean(axis=1) > 0.5
    return float((votes == ours).mean())
