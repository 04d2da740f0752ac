"""What an archive holds before inference: names, positions, and photometry with the systematic in its errors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.model.observe import add_systematic
from hpcflow.model.prior import Parameter
from hpcflow.model.scale import Given
from hpcflow.sources.cluster.parameters import SCALE
from hpcflow.store.flags import Reason

__all__ = ["known_variables"]


def known_variables(
    catalogue: Catalogue,
    systematic: float | Mapping[str, float],
    parameters: Sequence[Parameter],
    band_sets: Sequence[Sequence[str]] = (),
    given: Sequence[Given] = SCALE.given,
) -> dict[str, NDArray[Any]]:
    """Return what the archive holds of a catalogue's clusters before any posterior is inferred.

    Args:
        catalogue: the N clusters.
        systematic: relative error added in quadrature, one for all bands or one for each.
        parameters: those of the posteriors; published values are kept in this order.
        band_sets: the bands of each set of instruments; one set of all bands if empty.
        given: what is given of each of them besides photometry.

    Returns:
        the variables of `store.schema.known_names`, (N, ...) each.
    """
    relative = np.array([systematic[b] if isinstance(systematic, Mapping) else systematic for b in catalogue.bands])
    nothing = np.full(len(catalogue), np.nan)
    with np.errstate(over="ignore"):  # an absurd error is infinite, and flagged
        sigma = add_systematic(catalogue.flux, catalogue.sigma, relative)
    published, error = (
        np.stack([values.get(p.name, nothing) for p in parameters], axis=1)
        for values in (catalogue.published, catalogue.published_error)
    )
    return {
        "galaxy": catalogue.galaxy,
        "cluster_id": catalogue.cluster_id,
        "ra": catalogue.ra,
        "dec": catalogue.dec,
        **{name: values for quantity in given for name, values in _given(catalogue, quantity.name).items()},
        "cluster_class": catalogue.cluster_class,
        "classifier": catalogue.classifier,
        "band_set": _band_set(catalogue, band_sets or [catalogue.bands]),
        "flux": catalogue.flux,
        "sigma": sigma,
        "observed": catalogue.observed,
        "reason": catalogue.reason,
        "published": published,
        "published_error": error,
        "published_chi2": catalogue.published.get("chi2", nothing),
    }


def _given(catalogue: Catalogue, name: str) -> dict[str, NDArray[np.float64]]:
    """Return the values and the errors (N,) of something that is given, NaN where they are unknown, and 0."""
    if name == "distance" and name not in catalogue.given:
        return {"distance": catalogue.distance, "distance_error": catalogue.distance_error}
    rows = len(catalogue)
    value, error = catalogue.given.get(name, np.full(rows, np.nan)), catalogue.given_error.get(name, np.zeros(rows))
    return {name: value, f"{name}_error": np.nan_to_num(error)}


def _band_set(catalogue: Catalogue, sets: Sequence[Sequence[str]]) -> NDArray[np.int8]:
    """Return (N,) the first set that has all bands in which a cluster was observed, -1 if there is none.

    A band without coverage counts as one of the galaxy's.
    """
    have = np.array([[band in bands for band in catalogue.bands] for bands in sets])
    own = catalogue.reason != Reason.NO_BAND
    fits = (have[None] | ~own[:, None]).all(axis=2)
    return np.where(fits.any(axis=1), fits.argmax(axis=1), -1).astype(np.int8)
