"""Inference for partitions of clusters: from photometry to every posterior variable of the archive."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.partitions import rng_for
from hpcflow.model.forward import Forward
from hpcflow.model.observe import Photometry
from hpcflow.model.prior import Prior
from hpcflow.model.simulator import Derived, Simulator
from hpcflow.posterior.climb import ROUNDS, ROWS
from hpcflow.posterior.edges import error_edges, prior_edges
from hpcflow.posterior.importance import resampled
from hpcflow.posterior.likelihood import FluxLikelihood
from hpcflow.posterior.modes import POINTS, SEARCHED, Modes, mean_shift, of_cluster
from hpcflow.posterior.nuisance import CHOICES, Nuisance
from hpcflow.posterior.polish import exact_modes, polish, shares
from hpcflow.posterior.predictive import chi2, predictive
from hpcflow.posterior.proposal import Proposal, Proposals
from hpcflow.posterior.sampling import BLOCK, padded, summarise
from hpcflow.posterior.support import Support
from hpcflow.posterior.target import Posterior, Target
from hpcflow.posterior.uncertain import TargetAtGiven, at_given
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
        exact: whether samples are drawn from the exact posterior, and not from a flow.
        choices: number of draws of nuisance parameters that compete for each sample that is simulated again.
    """

    samples: int
    keep: int
    predictive: int
    modes: int
    seed: int
    polish: str = "none"
    refine: bool = False
    exact: bool = False
    choices: int = CHOICES


class _Cluster(NamedTuple):
    """A cluster: its photometry, the same with each of the values drawn of what is given, its place in a block."""

    key: Key
    one: Photometry
    ones: list[Photometry]
    number: int

    @property
    def given(self) -> Floats:
        """The values (G, K) drawn of what is given."""
        return np.concatenate([one.given for one in self.ones])


@dataclass
class _Drawn:
    """A cluster with its samples (n, D), their log-density on which modes are sought, and those to simulate again."""

    cluster: _Cluster
    found: dict[str, Any]
    theta: Floats
    height: Floats
    modes: Modes
    samples: Floats
    given: Floats
    exact: Posterior | None = None


class Inference:
    """A proposal, a simulator and settings, loaded once and used on partition after partition.

    Args:
        proposal: what samples are drawn from.
        simulator: simulator of unscaled fluxes.
        support: range of the data that the flow was trained on, or that the model can produce.
        settings: what to compute.
        target: likelihood times prior, if tractable; values then follow from weighted samples.
        derived: quantities that follow from the parameters.
        nuisance: prior of the simulator's parameters that are not inferred.
    """

    def __init__(
        self,
        proposal: Proposal,
        simulator: Simulator,
        support: Support,
        settings: Settings,
        target: Target | None = None,
        derived: Derived | None = None,
        nuisance: Prior | None = None,
    ) -> None:
        self._proposal, self._support, self._settings = proposal, support, settings
        self._target, self._derived = target, derived
        self._prior, self._scale = proposal.prior, proposal.scale
        more = nuisance.names if nuisance else ()
        self._forward = Forward(simulator, [*self._prior.names, *more], self._scale)
        self._nuisance = None
        if nuisance:
            likelihood = FluxLikelihood(support.observer)
            self._nuisance = Nuisance(nuisance, self._forward, likelihood, settings.choices)
        self._schema = Schema(
            self._prior.parameters,
            proposal.bands,
            settings.keep,
            settings.modes,
            weighted=target is not None and not settings.exact,
            exact=settings.exact,
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
        """Return the variables of each of up to BLOCK clusters; an empty mapping if a sample or mode is not finite."""
        settings = self._settings
        singly = [Photometry(*(a[k : k + 1] for a in photometry)) for k in range(len(keys))]
        given = zip(singly, errors, keys, strict=True)
        of = [at_given(one, error, self._scale.given, settings.seed, key) for one, error, key in given]
        proposals = self._proposal.of(photometry, of, keys)
        theta, log_q = proposals.samples(settings.samples)
        points = SEARCHED if settings.exact else POINTS  # modes of a flow's own samples are kept as they are
        modes = mean_shift(padded(theta[:, :points], BLOCK), settings.modes)
        clusters = [_Cluster(*parts, k) for k, parts in enumerate(zip(keys, singly, of, strict=True))]
        drawn = [
            self._drawn(cluster, proposals, theta[k].numpy(), log_q[k].numpy(), of_cluster(modes, k))
            for k, cluster in enumerate(clusters)
        ]
        self._polish([one for one in drawn if isinstance(one, _Drawn)], proposals, photometry)
        found = [self._ended(one) if isinstance(one, _Drawn) else one for one in drawn]
        if settings.exact:
            return found
        nowhere = np.full((settings.modes, theta.shape[2]), np.nan)
        at_modes = proposals.log_q_at(np.stack([one.get("mode", nowhere) for one in found]))
        return [one and one | {"mode_log_q": at} for one, at in zip(found, at_modes, strict=True)]

    def _drawn(
        self, cluster: _Cluster, proposals: Proposals, theta: Floats, log_q: Floats, modes: Modes
    ) -> _Drawn | dict[str, Any]:
        """Return a cluster's samples, weighted if its likelihood is tractable; its variables if it has no posterior."""
        settings, key, one = self._settings, cluster.key, cluster.one
        if settings.exact and np.isnan(log_q).all():
            return {"flag": Flag.IMPOSSIBLE}
        if not (np.isfinite(theta).all() and not np.isnan(log_q).any() and np.isfinite(modes.location[0]).all()):
            return {}
        if self._target is None:
            found: dict[str, Any] = {"theta": theta[: settings.keep], "log_q": log_q[: settings.keep]}
            found |= summarise(theta, log_q, QUANTILES)
            samples = theta[: settings.predictive]
            given = np.resize(cluster.given, (len(samples), cluster.given.shape[1]))
            return _Drawn(cluster, found, theta, log_q, modes, samples, given)
        best = self._weighed(self._target, cluster, proposals, theta, log_q)
        most = max(settings.keep, settings.predictive)
        chosen = resampled(best.share, most, rng_for(settings.seed, "resample", *key))
        kept, used = chosen[: settings.keep], chosen[: settings.predictive]
        found = {
            "theta": best.theta[kept],
            **best.summary(QUANTILES),
            "log_bayes": best.log_evidence - self._target.log_perfect(one),
        }
        if settings.exact:
            found |= {"log_q": best.log_p[kept] - best.log_evidence}
        else:
            found |= self._own(best, theta, log_q, modes)
        height = log_q
        if settings.polish == "exact":  # modes are sought at the best of what is given
            alike = len(cluster.ones) == 1 and best.exact is None
            height = best.log_p[: len(theta)] if alike else self._target.log_prob(theta, one)
        return _Drawn(cluster, found, theta, height, modes, best.theta[used], best.given[used], best.exact)

    def _polish(self, drawn: Sequence[_Drawn], proposals: Proposals, photometry: Photometry) -> None:
        """Let the modes of all clusters climb to the maxima of their densities."""
        settings, target = self._settings, self._target
        if settings.polish == "none" or not drawn:
            return
        numbers = np.array([one.cluster.number for one in drawn])

        def density(points: Floats, of: NDArray[np.intp]) -> Floats:
            if settings.polish == "exact" and target is not None:
                return target.log_prob_each(points, Photometry(*(a[numbers[of]] for a in photometry)))
            found = np.empty(points.shape[:2])
            for k in np.unique(of):
                own = points[of == k]
                found[of == k] = proposals.log_q(numbers[k])(own.reshape(-1, own.shape[2])).reshape(own.shape[:2])
            return found

        theta, height = (np.stack([getattr(one, name) for one in drawn]) for name in ("theta", "height"))
        shape = ROUNDS, ROWS, theta.shape[2]
        seed, keys = settings.seed, [one.cluster.key for one in drawn]
        noise = np.stack([rng_for(seed, "polish", *key).standard_normal(shape) for key in keys])
        polished = polish(density, height, theta, [one.modes for one in drawn], self._prior, noise)
        for one, modes in zip(drawn, polished, strict=True):
            if one.exact and settings.polish == "exact":  # the flow's samples may be far from the posterior
                modes = exact_modes(one.exact, settings.modes, rng_for(seed, "modes", *one.cluster.key))
            one.modes = modes

    def _ended(self, drawn: _Drawn) -> dict[str, Any]:
        """Return all of a cluster's variables, except mode_log_q of a flow."""
        cluster, found, modes = drawn.cluster, drawn.found, drawn.modes
        found |= {"mode": modes.location, "mode_share": modes.share, "map": modes.location[0]}
        if self._target:
            log_p = np.where(np.isfinite(modes.share), self._target.log_prob(modes.location, cluster.one), np.nan)
            with np.errstate(invalid="ignore"):  # NaN if the model cannot produce such a cluster
                found["mode_log_q" if self._settings.exact else "mode_log_p"] = log_p - found["log_evidence"]
            found["mode_share"] = shares(modes.location, found["theta"])
        if self._derived:
            found["derived_map"] = self._derived(modes.location[:1])[0]
            found["derived_quantile"] = np.quantile(self._derived(found["theta"]), QUANTILES, axis=0)
        simulated = self._simulated(cluster.one, cluster.key, modes.location[0], drawn.samples, drawn.given)
        return self._judged(found, cluster.one, simulated)

    def _own(self, best: Weighed, theta: Floats, log_q: Floats, modes: Modes) -> dict[str, Any]:
        """Return the flow's own values of a cluster, next to those of its weighted samples."""
        keep = self._settings.keep
        return {
            "theta_flow": theta[:keep],
            "log_q": log_q[:keep],
            "log_weight": best.log_weight[:keep],
            "refined": best.refined,
            "map_flow": modes.location[0],
            **{f"{name}_flow": value for name, value in summarise(theta, log_q, QUANTILES).items()},
        }

    def _weighed(
        self, target: Target, cluster: _Cluster, proposals: Proposals, theta: Floats, log_q: Floats
    ) -> Weighed:
        """Return one cluster's weighted samples, better ones than the flow's first if it needs them."""
        settings = self._settings
        at = TargetAtGiven(target, cluster.one, cluster.ones, self._scale)
        first = weighed(at, theta, log_q)
        if not settings.refine or first.efficiency * len(theta) >= LEAST_EFFECTIVE:
            return first
        again = partial(proposals.more, cluster.number)
        return refined(at, first, again, rng_for(settings.seed, "exact", *cluster.key))

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
        edges = prior_edges(found["theta"], self._prior)
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
