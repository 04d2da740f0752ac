"""What figures compare an archive with: exact posteriors of single clusters, and the errors that training drew."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.base.partitions import rng_for
from hpcflow.config.load import parse_config
from hpcflow.model.observe import Photometry
from hpcflow.posterior.exact import ExactModel
from hpcflow.stages.build import build_likelihood, build_observer
from hpcflow.store.kind import given_names

__all__ = ["Exact", "exact_posteriors", "trained_errors"]

Floats = NDArray[np.floating]

SAMPLES = 4000
OBSERVED = 20_000


class Exact:
    """The exact posterior of one cluster as figures need it.

    Attributes:
        samples: (n, D).
        modes: (m, D), highest first.
        log_evidence: log p(photometry).
    """

    def __init__(self, samples: Floats, modes: Floats, log_evidence: float) -> None:
        self.samples, self.modes, self.log_evidence = samples, modes, log_evidence


def exact_posteriors(
    config: Mapping[str, Any], archive: xr.Dataset, rows: Iterable[int], modes: int = 0
) -> tuple[dict[int, Exact], str]:
    """Return the exact posteriors of some clusters by row, and if there are none, the reason.

    Args:
        config: the run's config, as plain values.
        archive: flux, sigma, observed, what is given, galaxy and cluster_id.
        rows: rows of the archive.
        modes: number of modes to look for, which takes a second per cluster.
    """
    wanted = sorted(set(rows))
    if not wanted:
        return {}, "there is no cluster to show"
    try:
        model = ExactModel(build_likelihood(parse_config(config)))
    except InputError as e:
        return {}, str(e)
    found = {}
    for row in wanted:
        one = archive.isel(cluster=[row])
        seen = {n: one[n].values for n in ("flux", "sigma", "observed", *given_names(archive.attrs))}
        given = model.likelihood.forward.scale.stacked(seen)
        posterior = model.posterior(Photometry(seen["flux"], seen["sigma"], seen["observed"], given))
        if not np.isfinite(posterior.log_evidence):
            continue  # its errors are outside the range of training
        rng = rng_for(0, "figure", one["galaxy"].item(), one["cluster_id"].item())
        samples = posterior.sample(SAMPLES, rng)
        tops = posterior.modes(modes, rng) if modes else np.empty((0, archive.sizes["parameter"]))
        found[row] = Exact(samples, tops, posterior.log_evidence)
    return found, "" if found else "the errors of the photometry are outside the range of training"


def trained_errors(config: Mapping[str, Any]) -> Floats | None:
    """Return relative errors (n,) as training draws them, sigma over observed flux; None if the config is invalid."""
    try:
        observer = build_observer(parse_config(config))
    except InputError:
        return None
    bands = len(config["model"]["bands"])
    simulated = np.ones((OBSERVED, len(observer.scale.simulated)))  # fluxes are the same whatever is given
    seen = observer(np.ones((OBSERVED, bands)), np.zeros(OBSERVED), rng_for(0, "errors"), simulated)
    flux, sigma, observed, _ = seen
    return np.asarray((sigma / np.abs(flux))[observed])
