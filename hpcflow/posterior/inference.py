"""Inference for partitions of clusters: from photometry to every posterior variable of the archive."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpcflow.base.partitions import rng_for
from hpcflow.flow.estimator import Estimator
from hpcflow.model.forward import Forward
from hpcflow.model.observe import Photometry
from hpcflow.model.prior import Prior
from hpcflow.model.simulator import Derived, Simulator
from hpcflow.posterior.climb import ROUNDS, ROWS
from hpcflow.posterior.edges import error_edges, prior_edges
from hpcflow.posterior.importance import resampled
from hpcflow.posterior.likelihood import FluxLikelihood
from hpcflow.posterior.modes import POINTS, Modes, mean_shift, of_cluster
from hpcflow.posterior.nuisance import Nuisance
from hpcflow.posterior.polish import exact_modes, polish, shares
from hpcflow.posterior.predictive import chi2, predictive
from hpcflow.posterior.sampling import BLOCK, conditions, embedded, keyed_noise, padded, sample, summarise
from hpcflow.posterior.support import Support
from hpcflow.posterior.target import Target
from hpcflow.posterior.uncertain import TargetAtGiven, at_given, sample_at
from hpcflow.posterior.weighing import Weighed, refined, weighed
from hpcflow.store.flags import LEAST_EFFECTIVE, LEAST_P, POOR_CHI2, Flag
from hpcflow.store.schema import QUANTILES, Schema

__all__ = ["Inference", "Settings"]

Key = tuple[str, str]
Floats = NDArray[np.floating]
Density = Callable[[Floats], Floats]

NO_POSTERIOR = Flag.TOO_FEW_BANDS | Flag.BANDS_OUTSIDE_TRAINING | Flag.NOT_GIVEN


@dataclass(frozen=True)
class Settings:
    """Settings of the inference for each cluster.

    Args:
        samples, keep, predictive: number of samples to draw, to keep and to re-simulate.
        modes: largest number of modes to keep.
        seed: seed of all random numbers.
        polish: density on which modes are refined: "exact" (if there is a target), "flow" or "none".
        refine: whether to draw more samples for clusters of low efficiency.
    """

    samples: int
    keep: int
    predictive: int
    modes: int
    seed: int
    polish: str = "none"
    refine: bool = False


class Inference:
    """An estimator, a simulator and settings, loaded once and used on partition after partition.

    Args:
        estimator: the trained flow.
        simulator: simulator of unscaled fluxes.
        support: range of the data that the flow was trained on.
        settings: what to compute.
        target: likelihood times prior, if tractable; values then follow from weighted samples.
        derived: quantities that follow from the parameters.
        nuisance: prior of the simulator's parameters that are not inferred.
    """

    def __init__(
        self,
        estimator: Estimator,
        simulator: Simulator,
        support: Support,
        settings: Settings,
        target: Target | None = None,
        derived: Derived | None = None,
        nuisance: Prior | None = None,
    ) -> None:
        self._estimator, self._support, self._settings = estimator, support, settings
        self._target, self._derived = target, derived
        self._scale = estimator.scale
        more = nuisance.names if nuisance else ()
        self._forward = Forward(simulator, [*estimator.prior.names, *more], self._scale)
        self._nuisance = Nuisance(nuisance, self._forward, FluxLikelihood(support.observer)) if nuisance else None
        self._schema = Schema(
            estimator.prior.parameters,
            estimator.bands,
            settings.keep,
            settings.modes,
            weighted=target is not None,
            derived=derived.quantities if derived else (),
        )

    def infer(self, rows: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return the archive's variables for a partition's clusters.

        Args:
            rows: galaxy, cluster_id and everything given (N,), flux, sigma, observed, reason (N, B), as in the archive;
                `_error` (N,) of what is given, to marginalise over it.

        Returns:
            variables by name, (N, ...) each; NaN for clusters without a posterior, whose flag says why.
        """
        given = self._scale.stacked(rows)
        photometry = Photometry(rows["flux"], rows["sigma"], rows["observed"], given)
        flag = self._support.flags(photometry, rows["reason"])
        errors = self._scale.stacked(rows, "_error", np.zeros(len(flag)))
        out = self._schema.nothing(len(flag))
        usable = np.flatnonzero((flag & int(NO_POSTERIOR)) == 0)
        for begin in range(0, len(usable), BLOCK):
            block = usable[begin : begin + BLOCK]
            keys = [(rows["galaxy"][i], rows["cluster_id"][i]) for i in block]
            found = self._block(Photometry(*(a[block] for a in photometry)), errors[block], keys)
            for i, one in zip(block, found, strict=True):
                for name, value in one.items():
                    out[name][i] = value
                flag[i] |= int(one.get("flag", Flag.FAILED))
        return {**out, "flag": flag}

    def _block(self, photometry: Photometry, errors: Floats, keys: Sequence[Key]) -> list[dict[str, Any]]:
        """Return the variables of each of up to BLOCK clusters; an empty mapping if a sample or mode is not finite.

        Blocks are padded to BLOCK clusters wherever the numbers could depend on how many there are.
        """
        settings, flow = self._settings, self._estimator.flow
        context = embedded(flow, conditions(self._estimator, photometry))
        noise = torch.stack([keyed_noise(settings.seed, key, settings.samples, flow.dim) for key in keys])
        singly = [Photometry(*(a[k : k + 1] for a in photometry)) for k in range(len(keys))]
        quantities = self._scale.given
        given = zip(singly, errors, keys, strict=True)
        of = [at_given(one, error, quantities, settings.seed, key) for one, error, key in given]
        if any(len(ones) > 1 for ones in of):
            drawn = [sample_at(self._estimator, ones, own) for ones, own in zip(of, noise, strict=True)]
            theta, log_q = (torch.stack(part) for part in zip(*drawn, strict=True))
        else:
            theta, log_q = sample(flow, context, noise)
        modes = mean_shift(padded(theta[:, :POINTS], BLOCK), settings.modes)
        found = []
        for k, key in enumerate(keys):
            samples = theta[k].numpy(), log_q[k].numpy(), of_cluster(modes, k)
            found.append(self._cluster(singly[k], of[k], key, context[k], *samples))
        nowhere = np.full((settings.modes, flow.dim), np.nan)
        places = torch.from_numpy(np.stack([one.get("mode", nowhere) for one in found])).float()
        with torch.inference_mode():
            at_modes = flow.log_prob_given(padded(places, BLOCK), padded(context, BLOCK)).numpy()
        return [one and one | {"mode_log_q": at} for one, at in zip(found, at_modes, strict=False)]

    def _cluster(
        self,
        one: Photometry,
        ones: list[Photometry],
        key: Key,
        context: Tensor,
        theta: Floats,
        log_q: Floats,
        modes: Modes,
    ) -> dict[str, Any]:
        """Return one cluster's variables except mode_log_q, or an empty mapping if a sample or mode is not finite."""
        settings = self._settings
        if not (np.isfinite(theta).all() and np.isfinite(log_q).all() and np.isfinite(modes.location[0]).all()):
            return {}
        density, height = self._log_q(context), log_q
        exact = None
        found: dict[str, Any] = {"theta": theta[: settings.keep], "log_q": log_q[: settings.keep]}
        own = summarise(theta, log_q, QUANTILES)
        samples = theta[: settings.predictive]
        drawn = np.concatenate([here.given for here in ones])
        given = np.resize(drawn, (len(samples), drawn.shape[1]))
        if self._target is None:
            found |= own
        else:
            best = self._weighed(self._target, key, one, ones, theta, log_q)
            chosen = resampled(best.share, max(settings.keep, len(samples)), rng_for(settings.seed, "resample", *key))
            samples, given = (a[chosen[: len(samples)]] for a in (best.theta, best.given))
            found |= {
                "theta": best.theta[chosen[: settings.keep]],
                "theta_flow": found["theta"],
                **{f"{name}_flow": value for name, value in own.items()},
                "map_flow": modes.location[0],
                **best.summary(settings.keep, QUANTILES),
                "log_bayes": best.log_evidence - self._target.log_perfect(one),
            }
            exact = best.exact
            if settings.polish == "exact":  # modes are sought at the best of what is given
                density, height = partial(self._target.log_prob, one=one), self._target.log_prob(theta, one)
        if exact and settings.polish == "exact":  # the flow's samples may be far from the posterior
            modes = exact_modes(exact, settings.modes, rng_for(settings.seed, "modes", *key))
        elif settings.polish != "none":
            climbers = rng_for(settings.seed, "polish", *key).standard_normal((ROUNDS, ROWS, theta.shape[1]))
            modes = polish(density, height, theta, modes, self._estimator.prior, climbers)
        found |= {"mode": modes.location, "mode_share": modes.share, "map": modes.location[0]}
        if self._target:
            log_p = np.where(np.isfinite(modes.share), self._target.log_prob(modes.location, one), np.nan)
            with np.errstate(invalid="ignore"):  # NaN if the model cannot produce such a cluster
                found["mode_log_p"] = log_p - found["log_evidence"]
            found["mode_share"] = shares(modes.location, found["theta"])
        if self._derived:
            found["derived_map"] = self._derived(modes.location[:1])[0]
            found["derived_quantile"] = np.quantile(self._derived(found["theta"]), QUANTILES, axis=0)
        return self._judged(found, one, self._simulated(one, key, modes.location[0], samples, given))

    def _log_q(self, context: Tensor) -> Density:
        """Return the flow's log-density as a function of points (n, D), for a cluster with the given context."""

        @torch.inference_mode()
        def log_q(theta: Floats) -> Floats:
            points = torch.from_numpy(theta).float()[None]
            return self._estimator.flow.log_prob_given(points, context[None])[0].numpy()

        return log_q

    def _weighed(
        self, target: Target, key: Key, one: Photometry, ones: list[Photometry], theta: Floats, log_q: Floats
    ) -> Weighed:
        """Return one cluster's weighted samples, better ones than the flow's first if it needs them."""
        settings = self._settings
        at = TargetAtGiven(target, one, ones, self._scale)
        first = weighed(at, theta, log_q)
        if not settings.refine or first.efficiency * len(theta) >= LEAST_EFFECTIVE:
            return first

        def again(n: int) -> tuple[Floats, Floats]:
            noise = keyed_noise(settings.seed, (*key, "again"), n, theta.shape[1])
            more, log_q = sample_at(self._estimator, ones, noise)
            return more.numpy(), log_q.numpy()

        return refined(at, first, again, rng_for(settings.seed, "exact", *key))

    def _simulated(
        self, one: Photometry, key: Key, best: Floats, samples: Floats, given: Floats
    ) -> tuple[Floats, dict[str, Any]]:
        """Return the fluxes (n, B) of samples (n, D), and the archive's variables that follow from them and the MAP."""
        flux, sigma, observed = (a[0] for a in one[:3])
        points = np.concatenate([best[None], samples.astype(np.float64)])
        known, rng = np.concatenate([one.given, given]), rng_for(self._settings.seed, "predictive", *key)
        if self._nuisance is None:
            true = self._forward(points, known)
        else:
            true = self._nuisance.fluxes(points, known, one, rng_for(self._settings.seed, "nuisance", *key))
        return true[1:], {
            "map_flux": true[0],
            "chi2_map": chi2(true[0], flux, sigma, observed, len(best)),
            **predictive(true[1:], flux, sigma, self._support.observer.noise, rng, QUANTILES),
        }

    def _judged(
        self, found: dict[str, Any], one: Photometry, simulated: tuple[Floats, dict[str, Any]]
    ) -> dict[str, Any]:
        """Return all of a cluster's variables, with the flags that follow from its posterior."""
        true, known = simulated
        edges = prior_edges(found["theta"], self._estimator.prior)
        flag = error_edges(true, one.sigma[0], one.observed[0], self._support.observer.errors)
        if edges.any():
            flag |= Flag.PRIOR_EDGE
        if not known["chi2_map"] <= POOR_CHI2:
            flag |= Flag.POOR_FIT
        if not known["predictive_p"] > LEAST_P:
            flag |= Flag.UNLIKELY
        if self._target and not found["efficiency"] * self._settings.samples >= LEAST_EFFECTIVE:
            flag |= Flag.LOW_EFFICIENCY
        return {**found, **known, "prior_edge": edges, "flag": flag}
