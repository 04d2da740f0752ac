"""`hpcflow validate`: is the flow right? Calibration on simulations that training never saw."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hpcflow.config import Config
from hpcflow.flow import checkpoint
from hpcflow.flow.estimator import Estimator
from hpcflow.flow.precision import one_thread
from hpcflow.posterior.calibration import calibrate, product_names
from hpcflow.posterior.sampling import keyed_noise
from hpcflow.stages.build import build_observer, build_prior, config_of
from hpcflow.stages.loop import run_missing
from hpcflow.stages.progress import log, log_to
from hpcflow.stages.run import Run, digest_file, refuse_other_sources
from hpcflow.store.archive import QUANTILES
from hpcflow.store.partitions import Partition, rng_for
from hpcflow.store.simulations import SimulationStore
from hpcflow.store.validation import ValidationStore

__all__ = ["coverage", "validate"]

TILE = 25  # clusters that go through the network together; fixed, so that results do not depend on anything else


def validate(config: Config, run: Run, workers: int) -> None:
    """Rank held-out truths among samples of their posteriors, and report the coverage of the 68 % intervals.

    Raises:
        InputError: if there is no trained flow, or the record is of another one.
        FailedPartitionsError: if partitions were set aside.
    """
    checkpoint.read_description(run.flow)
    available = len(SimulationStore.open(run.simulations).rows("test")[0])
    run.begin("validate", config)
    with log_to(run.logs, "validate"):
        store = _open_or_create(config, run, min(config.validation.n, available))
        run_missing("validate", run, validate_partition, store.partitions, store.missing(), workers)
        for name, (share, error) in coverage(run.validation).items():
            log.info(
                "validate: the 68 %% interval of %s holds %.1f +- %.1f %% of the truths", name, 100 * share, 100 * error
            )


def coverage(path: Path) -> dict[str, tuple[float, float]]:
    """Return by parameter the share of truths inside the central 68 % interval, and its standard error."""
    with ValidationStore.open(path).dataset() as ds:
        low, high = (ds["quantile"].values[:, i] for i in (0, 2))
        inside = ((ds["truth"].values > low) & (ds["truth"].values < high)).mean(axis=0)
        n = ds.sizes["simulation"]
        names = ds["parameter"].values.tolist()
    return {name: (float(p), float(np.sqrt(p * (1 - p) / n))) for name, p in zip(names, inside, strict=True)}


def validate_partition(run: str, partition: Partition) -> None:
    """Observe, infer and rank one partition of held-out simulations; what a worker does."""
    config, estimator = config_of(run), _estimator(run)
    names, theta, flux = _held_out(run)
    rows = slice(partition.start, partition.stop)
    prior, seed = estimator.prior, config.validation.seed
    rng = rng_for(seed, "validate", partition.index)
    log_mass = prior.select(["log_mass"]).sample(len(partition), rng)
    columns = {**dict(zip(names, theta[rows].T, strict=True)), "log_mass": log_mass[:, 0]}
    truth = torch.from_numpy(np.stack([columns[name] for name in prior.names], axis=1)).float()
    photometry = build_observer(config)(flux[rows].astype(np.float64), log_mass[:, 0], rng)
    noise = keyed_noise(
        seed, ("validate", partition.index), len(partition) * config.validation.samples, len(prior.names)
    )
    noise = noise.reshape(len(partition), config.validation.samples, len(prior.names))
    with torch.inference_mode():
        x = estimator.condition(photometry)
        tiles = zip(noise.split(TILE), x.split(TILE), strict=True)
        samples = torch.cat([estimator.flow.transform(*tile)[0] for tile in tiles])
        log_q = torch.cat([estimator.flow(t, c) for t, c in zip(truth.split(TILE), x.split(TILE), strict=True)])
    ranks = calibrate(truth, samples, QUANTILES)
    _store(run).write(partition, {**ranks, "truth": truth.numpy(), "log_q": log_q.numpy()})


@cache
def _store(run: str) -> ValidationStore:
    return ValidationStore.open(Run(Path(run)).validation)


@cache
def _estimator(run: str) -> Estimator:
    one_thread()
    return checkpoint.load(Run(Path(run)).flow)


@cache
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
    attrs = {**source, "samples": config.validation.samples, "seed": config.validation.seed}
    return ValidationStore.create(
        run.validation,
        n=n,
        partition=config.validation.partition,
        parameters=parameters,
        statistics=product_names([p.name for p in parameters]),
        attrs=attrs,
    )
