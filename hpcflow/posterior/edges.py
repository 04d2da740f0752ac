"""Posteriors pressed against an edge of what was trained on: the prior's box, the largest or the smallest error."""

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.error_law import ErrorLaw
from hpcflow.model.prior import Prior
from hpcflow.store.flags import ERROR_MARGIN, PRESSED, PRIOR_MARGIN, Flag

__all__ = ["error_edges", "prior_edges"]

Floats = NDArray[np.floating]


def prior_edges(theta: Floats, prior: Prior) -> NDArray[np.int8]:
    """Return for each parameter (D,) whether samples theta (n, D) are pressed against its bounds.

    Returns:
        -1 at the lower bound, 1 at the upper one, 0 if at neither.

    >>> from hpcflow.model.prior import Parameter
    >>> prior = Prior((Parameter("ebv", 0, 1), Parameter("log_mass", 2, 8)))
    >>> prior_edges(np.array([[0.001, 5.0], [0.002, 6.0]]), prior)
    array([-1,  0], dtype=int8)
    """
    margin = PRIOR_MARGIN * (prior.high - prior.low)
    below, above = (theta < prior.low + margin).mean(axis=0), (theta > prior.high - margin).mean(axis=0)
    return np.where(below > PRESSED, -1, np.where(above > PRESSED, 1, 0)).astype(np.int8)


def error_edges(true: Floats, sigma: Floats, observed: NDArray[np.bool_], errors: ErrorLaw) -> Flag:
    """Return the flags of a cluster whose true relative errors are pressed against those of training in some band.

    Args:
        true: (n, B) noiseless fluxes of posterior samples.
        sigma: (B,) errors in the same unit.
        observed: (B,) which bands are used.
        errors: distribution of true relative errors in training.
    """
    with np.errstate(divide="ignore", over="ignore"):
        error = sigma[observed] / true[:, observed]
    flag = Flag(0)
    if ((error > errors.high * (1 - ERROR_MARGIN)).mean(axis=0) > PRESSED).any():
        flag |= Flag.LARGEST_ERROR_EDGE
    if ((error < errors.low * (1 + ERROR_MARGIN)).mean(axis=0) > PRESSED).any():
        flag |= Flag.SMALLEST_ERROR_EDGE
    return flag
