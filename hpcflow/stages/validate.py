"""`hpcflow validate`: calibration of the flow on simulations that training never saw."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpcflow.base.errors import InputError, MiscalibratedError
from hpcflow.base.partitions import Partition, rng_for
from hpcflow.calibration.discrepancy import c2st, wasserstein
from hpcflow.calibration.gap import gaps
from hpcflow.calibration.record import ValidationStore
from hpcflow.calibration.statistics import calibrate, denser, nearer, product_names
from hpcflow.calibration.strata import mean_error, pattern_of
from hpcflow.calibration.verdicts import judge
from hpcflow.calibration.words import describe
from hpcflow.compute.once import once_per_worker
from hpcflow.compute.where import Where
from hpcflow.config.load import Config
from hpcflow.flow import checkpoint
from hpcflow.flow.base import Flow
from hpcflow.flow.estimator import Estimator
from hpcflow.flow.precision import one_thread
from hpcflow.model.observe import Photometry
from hpcflow.posterior.exact import ExactModel, ExactPosterior
from hpcflow.posterior.quasirandom import keyed_noise
from hpcflow.stages.build import build_likelihood, build_observer, build_prior, build_scale, config_of, source_of
from hpcflow.stages.loop import run_missing
from hpcflow.stages.progress import log, log_to
from hpcflow.stages.run import Run, digest_file, refuse_other_sources
from hpcflow.stages.trained import trained_flow
from hpcflow.store.kind import kind_attributes
from hpcflow.store.schema import QUANTILES
from hpcflow.store.simulations import SimulationStore

__all__ = ["estimator_of", "observed_partition", "validate"]

TILE = 25  # clusters per call of the network; fixed, so that results depend on nothing else
OTHERS = 32  # further samples for location and scale, because those used for ranks would predict the ranks
HELD = 64  # exact samples over which the flow's density of the first parameters is averaged


def validate(config: Config, run: Run, where: Where) -> None:
    """Rank held-out truths among samples of their posteriors, compare densities, and log the findings.

    Raises:
        InputError: if there is no trained flow, or the record belongs to another flow.
        FailedPartitionsError: if partitions failed and were set aside.
        MiscalibratedError: if the flow does not meet `validate.require`.
    """
    checkpoint.read_description(run.flow)
    available = len(SimulationStore.open(run.simulations).rows("test")[0])
    run.begin("validate", config)
    with log_to(run.log("validate")):
        store = _open_or_create(config, run, min(config.validation.n, available))
        run_missing("validate", run, validate_partition, store.partitions, store.missing(), where)
        for line in describe(run.validation):
            log.info("validate: %s", line)
        _refuse_miscalibrated(config, run)


def _refuse_miscalibrated(config: Config, run: Run) -> None:
    if config.validation.require is None:
        return
    with ValidationStore.open(run.validation).dataset() as ds:
        verdicts = judge(ds, config.validation.require.model_dump())
    bad = [verdict for verdict in verdicts if not verdict.good]
    log.info("validate: %d of %d requirements are met", len(verdicts) - len(bad), len(verdicts))
    if bad:
        worst = max(bad, key=lambda verdict: verdict.excess)
        others = f", and {len(bad) - 1} more requirements fail" if len(bad) > 1 else ""
        raise MiscalibratedError(
            f"validate: {run.path} fails: {worst}{others}; train its flow for longer, or relax validate.require"
        )


def validate_partition(run: str, partition: Partition) -> None:
    """Observe, infer, rank and compare one partition of held-out simulations on a worker."""
    config, estimator = config_of(run), estimator_of(run)
    truth, photometry = observed_partition(run, partition)
    with torch.inference_mode():
        x = estimator.condition(photometry)
        samples, sample_log_q = _sampled(run, ("validate", partition.index), x, config.validation.samples)
        others, _ = _sampled(run, ("location", partition.index), x, OTHERS)
        log_q = torch.cat([estimator.flow(t, c) for t, c in zip(truth.split(TILE), x.split(TILE), strict=True)])
    flux, sigma, observed, given = photometry
    unit = [torch.from_numpy(estimator.prior.to_unit(points.numpy())) for points in (truth, samples)]
    reference = rng_for(config.validation.seed, "reference", partition.index).random(truth.shape)
    record = {
        **calibrate(truth, samples, QUANTILES),
        "denser": denser(log_q, sample_log_q),
        "nearer": nearer(unit[0], unit[1], torch.from_numpy(reference)),
        **_compare(run, partition, Inferred(truth, samples, x, photometry)),
        "truth": truth.numpy(),
        "x": x.numpy(),
        "location": others.mean(dim=1).numpy(),
        "scale": others.std(dim=1).numpy(),
        "log_q": log_q.numpy(),
        "error": mean_error(flux, sigma, observed),
        **{q.name: given[:, k] for k, q in enumerate(build_scale(config).given)},
        "pattern": pattern_of(observed),
    }
    _store(run).write(partition, record)


def _sampled(run: str, key: tuple[str, int], x: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Return samples (N, n, D) of the posteriors given features (N, F), and their log-densities (N, n)."""
    estimator = estimator_of(run)
    dim = len(estimator.prior.names)
    noise = keyed_noise(config_of(run).validation.seed, key, len(x) * n, dim).reshape(len(x), n, dim)
    tiles = [estimator.flow.transform(*t) for t in zip(noise.split(TILE), x.split(TILE), strict=True)]
    samples, log_q = (torch.cat(parts) for parts in zip(*tiles, strict=True))
    return samples, log_q


class Inferred(NamedTuple):
    """Truths (N, D), posterior samples (N, n, D), features (N, F) and photometry of N simulations."""

    truth: Tensor
    samples: Tensor
    x: Tensor
    photometry: Photometry


def observed_partition(run: str, partition: Partition) -> tuple[Tensor, Photometry]:
    """Return true parameters (n, D) and photometry of a partition's simulations."""
    config, prior = config_of(run), estimator_of(run).prior
    names, theta, flux = _held_out(run)
    scale = build_scale(config)
    rows = slice(partition.start, partition.stop)
    rng = rng_for(config.validation.seed, "validate", partition.index)
    columns = dict(zip(names, theta[rows].T, strict=True))
    if scale.parameter and scale.parameter not in columns:
        columns[scale.parameter] = prior.select([scale.parameter]).sample(len(partition), rng)[:, 0]
    size = columns[scale.parameter].astype(np.float64) if scale.parameter else None
    simulated = theta[rows][:, [names.index(scale.given[k].name) for k in scale.simulated]].astype(np.float64)
    truth = torch.from_numpy(np.stack([columns[name] for name in prior.names], axis=1)).float()
    return truth, build_observer(config)(flux[rows].astype(np.float64), size, rng, simulated)


def _compare(run: str, partition: Partition, those: Inferred) -> dict[str, Any]:
    """Return the comparison of the flow with the exact posterior for the partition's share of rows; NaN elsewhere."""
    attrs, total = _store(run).attrs, len(_store(run))
    rows = np.flatnonzero(np.arange(partition.start, partition.stop) * attrs["exact"] % total < attrs["exact"])
    shape = those.truth.shape
    found = {name: np.full(shape, np.nan) for name in ("gap", "wasserstein", "wasserstein_exact")}
    found |= {name: np.full(shape[0], np.nan) for name in ("log_p", "kl", "c2st")}
    if attrs["exact"] and len(rows):
        model, flow = _exact(run), estimator_of(run).flow
        rng = rng_for(attrs["seed"], "exact", partition.index)
        posteriors = [model.posterior(Photometry(*(a[i : i + 1] for a in those.photometry))) for i in rows]
        points = those.truth[rows].double().numpy()
        chains = [p.chain(point, HELD, rng) for p, point in zip(posteriors, points, strict=True)]
        found["log_p"][rows] = [chain.log_p[-1] for chain in chains]
        found["gap"][rows[:, None], model.order] = gaps(flow, those.x[rows], those.truth[rows], chains)
        for row, posterior in zip(rows, posteriors, strict=True):
            for name, value in _distances(flow, posterior, those.samples[row], those.x[row], rng).items():
                found[name][row] = value
    return found


def _distances(
    flow: Flow, posterior: ExactPosterior, samples: Tensor, x: Tensor, rng: np.random.Generator
) -> dict[str, Any]:
    """Return the distances of a flow's samples (n, D) of one cluster with features x (F,) from the exact posterior."""
    drawn = samples.double().numpy()
    exact, other = posterior.sample(2 * len(drawn), rng).reshape(2, *drawn.shape)
    with torch.inference_mode():
        log_q = flow.log_prob(torch.from_numpy(exact).float()[None], x[None])[0].double().numpy()
    log_p = posterior.log_prob(exact)
    inside = np.isfinite(log_p)  # grid cells, and so samples, may reach beyond the edge of the error distribution
    return {
        "kl": (log_p - log_q)[inside].mean() if inside.any() else np.nan,
        "wasserstein": wasserstein(drawn, exact),
        "wasserstein_exact": wasserstein(other, exact),
        "c2st": c2st(drawn, exact),
    }


@once_per_worker
def _store(run: str) -> ValidationStore:
    return ValidationStore.open(Run(Path(run)).validation)


@once_per_worker
def estimator_of(run: str) -> Estimator:
    """Return a run's trained flow; each worker reads it once."""
    one_thread()
    return trained_flow(Run(Path(run)).flow)


@once_per_worker
def _exact(run: str) -> ExactModel:
    return ExactModel(build_likelihood(config_of(run)))


@once_per_worker
def _held_out(run: str) -> tuple[list[str], NDArray[np.float32], NDArray[np.float32]]:
    store = SimulationStore.open(Run(Path(run)).simulations)
    return store.parameters, *store.rows("test")


def _open_or_create(config: Config, run: Run, n: int) -> ValidationStore:
    source = {"flow_sha256": digest_file(run.flow / checkpoint.WEIGHTS)}
    if run.validation.exists():
        store = ValidationStore.open(run.validation)
        refuse_other_sources(run.validation, store.attrs, source)
        return store
    parameters = build_prior(config).parameters
    order, reason = _order(config)
    attrs = {
        **source,
        "samples": config.validation.samples,
        "seed": config.validation.seed,
        "exact": min(config.validation.exact, n) if order else 0,
        "exact_says": reason,
        **kind_attributes(source_of(config)),
    }
    return ValidationStore.create(
        run.validation,
        n=n,
        partition=config.validation.partition,
        parameters=parameters,
        statistics=product_names([p.name for p in parameters]),
        order=order,
        bands=list(config.model.bands),
        features=estimator_of(str(run.path)).features.size,
        given=build_scale(config).given,
        attrs=attrs,
    )


def _order(config: Config) -> tuple[list[str], str]:
    """Return the order of the parameters in the gap, and why; the order is empty if the gap cannot be computed."""
    if not config.validation.exact:
        return [], "validate.exact is 0"
    try:
        model = ExactModel(build_likelihood(config))
        return [model.likelihood.prior.names[k] for k in model.order], "log p is exact for this model"
    except InputError as e:
        return [], str(e)
