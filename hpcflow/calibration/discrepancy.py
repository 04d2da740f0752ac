"""Distances between samples of two posteriors of one cluster, the flow's and the exact one."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.stats import wasserstein_distance

__all__ = ["c2st", "wasserstein"]

Floats = NDArray[np.floating]


def wasserstein(samples: Floats, exact: Floats) -> Floats:
    """Return the Wasserstein-1 distance of each marginal (D,), in standard deviations of the exact one.

    Two finite sets of samples of the same posterior are apart as well: by 2 / sqrt(n) if it is normal.

    Args:
        samples: (n, D) samples of the flow.
        exact: (m, D) samples of the exact posterior.
    """
    spread = np.maximum(exact.std(axis=0), np.finfo(float).tiny)
    pairs = zip(samples.T, exact.T, spread, strict=True)
    return np.array([wasserstein_distance(a, b) / s for a, b, s in pairs])


def c2st(samples: Floats, exact: Floats) -> float:
    """Return the accuracy of a classifier between two sets of samples: 0.5 if it cannot tell them apart, 1 if always.

    The classifier takes the majority of the sqrt(n) nearest neighbours in the metric of the exact samples' covariance.
    It is cross-validated by leaving out each sample in turn, and with it one sample of the other set, which would
    otherwise be in the majority.
    Source: Lopez-Paz & Oquab 2017 (arXiv:1610.06545), sect. 3, C2ST-KNN; local, because both sets are of one cluster.

    Args:
        samples: (n, D) samples of the flow.
        exact: (n, D) samples of the exact posterior.
    """
    offset = exact - exact.mean(axis=0)
    covariance = np.cov(offset.T)
    root = np.linalg.cholesky(covariance + np.diag(1e-6 * np.diag(covariance) + 1e-30))
    points = np.linalg.solve(root, (np.concatenate([samples, exact]) - exact.mean(axis=0)).T).T
    ours = np.arange(len(points)) < len(samples)
    odd = int(np.sqrt(len(points))) // 2 * 2 + 1  # an odd number always has a majority
    _, nearest = KDTree(points).query(points, odd + 2)
    place = np.arange(len(points))
    left = (nearest != place[:, None]) & (nearest != np.roll(place, len(exact))[:, None])
    first = np.argsort(~left, axis=1, kind="stable")[:, :odd]
    votes = np.take_along_axis(ours[nearest], first, axis=1).mean(axis=1) > 0.5
    return float((votes == ours).mean())
