"""Star clusters as most tests look at them: given a distance, scaled by a mass."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcflow.flow.estimator import Estimator
from hpcflow.model.observe import Observer, Photometry
from hpcflow.model.prior import Prior
from hpcflow.sources.cluster.parameters import SCALE

__all__ = ["archive_rows", "cluster_estimator", "cluster_observer", "distance", "moved_to", "photometry_of", "scale"]


def cluster_observer(
    noise: str = "lognormal",
    relative_error: tuple[float, float] = (0.0, 0.5),
    distance_mpc: tuple[float, float] = (1.0, 30.0),
    *rest: Any,
    **more: Any,
) -> Observer:
    """Return an observer of clusters; see `Observer`."""
    return Observer(SCALE.over({"distance": distance_mpc}), noise, relative_error, *rest, **more)


def cluster_estimator(prior: Prior, bands: tuple[str, ...], features: str, flow: Mapping[str, Any]) -> Estimator:
    """Return an estimator for clusters."""
    return Estimator(prior, bands, SCALE, features, flow)


def scale(log_mass: Any, distance: Any) -> Any:
    """Return m (10 pc / d)^2."""
    return SCALE.factor(log_mass, distance[..., None] if hasattr(distance, "shape") else np.array([distance]))


def distance(seen: Photometry) -> Any:
    """Return the distances (N,) in Mpc of observed clusters."""
    return seen.given[:, 0]


def moved_to(seen: Photometry, distance: Any) -> Photometry:
    """Return the same fluxes at other distances (N,)."""
    return seen._replace(given=distance[:, None])


def photometry_of(rows: Mapping[str, Any]) -> Photometry:
    """Return the photometry of columns named as in archives."""
    return Photometry(
        *(np.asarray(rows[n]) for n in ("flux", "sigma", "observed")), np.asarray(rows["distance"])[:, None]
    )


def archive_rows(seen: Photometry) -> dict[str, np.ndarray]:
    """Return clusters as an archive gives them to inference, in two galaxies in turn."""
    n, bands = np.asarray(seen.flux).shape
    return {
        "galaxy": np.array([f"ngc{i % 2}" for i in range(n)]),
        "cluster_id": np.array([str(i) for i in range(n)]),
        "flux": seen.flux,
        "sigma": seen.sigma,
        "observed": seen.observed,
        "distance": distance(seen),
        "reason": np.zeros((n, bands), np.uint8),
    }
