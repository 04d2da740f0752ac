"""Does the posterior reproduce what it was inferred from? Predictive checks and chi^2."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.observe import NOISE, scale

__all__ = ["chi2", "predictive", "simulate"]

Floats = NDArray[np.floating]


def simulate(
    simulator: Callable[[Floats], Floats],
    columns: Sequence[int],
    log_mass: int,
    theta: Floats,
    distance: float | Floats,
) -> Floats:
    """Return the noiseless fluxes (n, B) in mJy of clusters theta (n, D) at a distance [Mpc].

    Args:
        simulator: unit-mass fluxes at 10 pc.
        columns: columns of theta that are the simulator's parameters.
        log_mass: the column of the mass.
        theta: parameters in declared units.
        distance: of all of them, or (n,) of each.
    """
    unit = simulator(theta[:, columns])
    return unit * scale(theta[:, log_mass], np.full(len(theta), distance))[:, None]


def predictive(
    true: Floats, flux: Floats, sigma: Floats, noise: str, rng: np.random.Generator, levels: Sequence[float]
) -> dict[str, NDArray[Any]]:
    """Compare an observation with the posterior predictive (Rubin 1984; Gelman et al. 1996).

    Args:
        true: (n, B) noiseless fluxes of posterior samples.
        flux: (B,) observed.
        sigma: (B,) error of the observation, which the predicted observations have as well.
        noise: name of the noise law.
        rng: the cluster's own.
        levels: quantiles wanted.

    Returns:
        predictive_mean (B,), predictive_quantile (B, Q) and predictive_rank (B,), the share of the predictive below
        the observation; NaN in bands that were not observed. predictive_p (), the share of the predictive that lies
        farther from the sample it was made of than the observation does, in chi^2.
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

    That is the number of observed bands less that of parameters, but at least 1.
    """
    pull = (model[observed] - flux[observed]) / sigma[observed]
    return float((pull**2).sum() / max(1, int(observed.sum()) - parameters))
