"""Posterior predictive checks and chi^2: whether a posterior reproduces the photometry it was inferred from."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.observe import NOISE

__all__ = ["chi2", "predictive"]

Floats = NDArray[np.floating]


def predictive(
    true: Floats, flux: Floats, sigma: Floats, noise: str, rng: np.random.Generator, levels: Sequence[float]
) -> dict[str, NDArray[Any]]:
    """Compare an observation with the posterior predictive (Rubin 1984; Gelman et al. 1996).

    Args:
        true: (n, B) noiseless fluxes of posterior samples.
        flux: (B,) observed fluxes in mJy.
        sigma: (B,) errors of the observation, also used for the predicted observations.
        noise: name of the noise model.
        rng: random numbers of the cluster.
        levels: probabilities of the quantiles.

    Returns:
        predictive_mean (B,), predictive_quantile (B, Q) and predictive_rank (B,), the fraction of predictions below
        the observed flux; NaN in missing bands. predictive_p (), the fraction of posterior samples whose prediction
        has a larger chi^2 about the sample than the observation has.
    """
    seen = np.isfinite(sigma)
    drawn = NOISE[noise](true, np.where(seen, sigma, 0.0), rng.standard_normal(true.shape))
    drawn = np.where(seen, drawn, np.nan)
    away = [np.nansum(((fluxes - true) / sigma) ** 2, axis=1) for fluxes in (drawn, flux)]
    rank = np.where(seen, (drawn < flux).mean(axis=0), np.nan)
    return {
        "predictive_mean": drawn.mean(axis=0),
        "predictive_quantile": np.quantile(drawn, levels, axis=0).T,
        "predictive_rank": rank,
        "predictive_p": (away[0] >= away[1]).mean(),
    }


def chi2(model: Floats, flux: Floats, sigma: Floats, observed: NDArray[np.bool_], parameters: int) -> float:
    """Return sum ((model - flux) / sigma)^2 over the observed bands (B,), per degree of freedom.

    There are as many degrees of freedom as observed bands less parameters, but at least 1.
    """
    pull = (model[observed] - flux[observed]) / sigma[observed]
    return float((pull**2).sum() / max(1, int(observed.sum()) - parameters))
