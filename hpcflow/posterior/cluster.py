"""From photometry to everything the archive says of a cluster."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hpcflow.flow.estimator import Estimator
from hpcflow.model.observe import Photometry
from hpcflow.model.simulator import Simulator
from hpcflow.posterior.modes import mean_shift
from hpcflow.posterior.predictive import chi2, predictive, simulate
from hpcflow.posterior.sampling import keyed_noise, sample_cluster, summarise
from hpcflow.posterior.support import Support
from hpcflow.store.archive import QUANTILES
from hpcflow.store.flags import Flag
from hpcflow.store.partitions import rng_for

__all__ = ["Engine", "Settings"]

NO_POSTERIOR = Flag.TOO_FEW_BANDS | Flag.BANDS_OUTSIDE_TRAINING
POOR_CHI2 = 10.0


@dataclass(frozen=True)
class Settings:
    """How many samples to draw, to keep and to re-simulate, how many modes, and the seed."""

    samples: int
    keep: int
    predictive: int
    modes: int
    seed: int


class Engine:
    """An estimator, a simulator and settings, loaded once and used on partition after partition."""

    def __init__(self, estimator: Estimator, simulator: Simulator, support: Support, settings: Settings) -> None:
        self._estimator, self._simulator, self._support, self._settings = estimator, simulator, support, settings
        names = estimator.prior.names
        self._columns, self._mass = [names.index(p) for p in simulator.parameters], names.index("log_mass")

    def infer(self, rows: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return the archive's variables for a partition's clusters.

        Args:
            rows: galaxy, cluster_id, distance (N,), flux, sigma, observed, reason (N, B), as in the archive.

        Returns:
            variables by name, (N, ...) each; NaN in clusters that have no posterior, whose flag says why.
        """
        photometry = Photometry(rows["flux"], rows["sigma"], rows["observed"], rows["distance"])
        flag = self._support.flags(photometry, rows["reason"])
        out = self._nothing(len(flag))
        for i in np.flatnonzero((flag & int(NO_POSTERIOR)) == 0):
            key = (rows["galaxy"][i], rows["cluster_id"][i])
            found = self._cluster(Photometry(*(a[i : i + 1] for a in photometry)), key)
            if found is None:
                flag[i] |= int(Flag.FAILED)
                continue
            for name, value in found.items():
                out[name][i] = value
            if not found["chi2_map"] <= POOR_CHI2:
                flag[i] |= int(Flag.POOR_FIT)
        return {**out, "flag": flag}

    def _cluster(self, one: Photometry, key: tuple[str, str]) -> dict[str, Any] | None:
        """Return one cluster's variables, or None if anything came out that is not a number."""
        settings, flow = self._settings, self._estimator.flow
        noise = keyed_noise(settings.seed, key, settings.samples, flow.dim)
        x = self._estimator.condition(one)[0]
        theta, log_q = sample_cluster(flow, x, noise)
        if not (torch.isfinite(theta).all() and torch.isfinite(log_q).all()):
            return None
        modes = mean_shift(theta[None], settings.modes)
        location = modes.location[0]
        if not torch.isfinite(location[0]).all():
            return None
        with torch.inference_mode():
            mode_log_q = flow.log_prob(location[None].float(), x[None])[0]
        points = np.concatenate([location[:1].numpy(), theta[: settings.predictive].double().numpy()])
        flux, sigma, observed, distance = (a[0] for a in one)
        true = simulate(self._simulator, self._columns, self._mass, points, float(distance))
        rng = rng_for(settings.seed, "predictive", *key)
        return {
            "theta": theta[: settings.keep].numpy(),
            "log_q": log_q[: settings.keep].numpy(),
            "mode": location.numpy(),
            "mode_share": modes.share[0].numpy(),
            "mode_log_q": mode_log_q.numpy(),
            "map": location[0].numpy(),
            "map_flux": true[0],
            "chi2_map": chi2(true[0], flux, sigma, observed, flow.dim),
            **summarise(theta, log_q, QUANTILES),
            **predictive(true[1:], flux, sigma, self._support.observer.noise, rng, QUANTILES),
        }

    def _nothing(self, n: int) -> dict[str, NDArray[Any]]:
        """Return the variables of n clusters of which nothing is known."""
        settings, dim, bands = self._settings, self._estimator.flow.dim, len(self._estimator.bands)
        shapes = {
            "theta": (settings.keep, dim),
            "log_q": (settings.keep,),
            "mode": (settings.modes, dim),
            "mode_share": (settings.modes,),
            "mode_log_q": (settings.modes,),
            "map": (dim,),
            "map_flux": (bands,),
            "chi2_map": (),
            "quantile": (len(QUANTILES), dim),
            "mean": (dim,),
            "std": (dim,),
            "covariance": (dim, dim),
            "entropy": (),
            "predictive_mean": (bands,),
            "predictive_quantile": (bands, len(QUANTILES)),
            "predictive_rank": (bands,),
        }
        return {name: np.full((n, *shape), np.nan) for name, shape in shapes.items()}
