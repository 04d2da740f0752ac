"""Engines of the size that the shipped configs train, made in seconds, and clusters to ask them about."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpcflow.config.load import Config, load_config
from hpcflow.flow.batches import Batch, Library, generator_for
from hpcflow.flow.estimator import Estimator
from hpcflow.flow.precision import one_thread
from hpcflow.flow.training import train
from hpcflow.posterior.exact import ExactModel
from hpcflow.posterior.inference import Inference, Settings
from hpcflow.posterior.proposal import ExactProposal, FlowProposal
from hpcflow.posterior.sampling import embedded, sample
from hpcflow.posterior.support import Support
from hpcflow.posterior.target import Target
from hpcflow.stages.build import build_likelihood, build_observer, build_prior, build_schedule, build_simulator
from hpcflow.stages.trained import untrained_flow
from hpcflow.stages.which import COARSE

__all__ = ["Production", "macs_per_cluster", "macs_per_sample", "production"]

CONFIGS = Path(__file__).parents[2] / "configs"
SIMULATIONS = 100_000
STEPS = 200  # enough that posteriors are no longer the prior; what a sample costs does not depend on it


@dataclass(frozen=True, eq=False)
class Production:
    """A shipped config's flow after a brief training, and the library behind it.

    `weighing` also weighs samples by the likelihood and climbs modes on it, as `hpcflow infer` does; `exact` needs
    no flow.
    """

    config: Config
    estimator: Estimator
    library: Library
    engine: Inference
    weighing: Inference
    exact: Inference

    @property
    def samples(self) -> int:
        """Number of samples of a cluster, as the config draws."""
        return self.config.infer.samples

    def examples(self, n: int, seed: int) -> Batch:
        """Return n simulated clusters as they would be observed."""
        return self.library.draw(n, generator_for(seed, "benchmark"))

    def features(self, batch: Batch) -> Tensor:
        """Return the conditioning vectors (n, F) of examples."""
        with torch.inference_mode():
            return self.estimator.condition(batch.photometry)

    def sampling(self, batch: Batch) -> Callable[[], tuple[Tensor, Tensor]]:
        """Return what draws samples with their log q."""
        flow, x = self.estimator.flow, self.features(batch)
        noise = torch.randn(len(x), self.samples, flow.dim)
        return lambda: sample(flow, embedded(flow, x), noise)

    def inferring(self, batch: Batch, engine: Inference) -> Callable[[], dict[str, NDArray[Any]]]:
        """Return what makes the archive's rows of examples with one of the engines."""
        given = _rows(batch)
        return lambda: engine.infer(given)


@cache
def production(name: str, *sets: str) -> Production:
    """Train the flow of a shipped config, some of whose values are set, for a moment; one thread, which stays so."""
    one_thread()
    config = load_config(CONFIGS / f"{name}.yaml", sets)
    prior, simulator, observer = build_prior(config), build_simulator(config), build_observer(config)
    theta = prior.select(simulator.parameters).sample(SIMULATIONS, np.random.default_rng(1))
    flux = simulator(theta)
    drawn, seen = (torch.from_numpy(a.astype(np.float32)) for a in (theta, flux))
    library = Library(drawn, seen, list(simulator.parameters), prior, observer)
    torch.manual_seed(1)
    estimator = untrained_flow(config)
    brief = replace(build_schedule(config), steps=STEPS, batch=1024, warmup=STEPS // 4, validate_every=STEPS)
    train(estimator, library, library.first(2000, generator_for(1, "held out")), brief)
    estimator.eval().requires_grad_(False)
    mass = prior.select(["log_mass"]).parameters[0]
    support = Support.of_library(observer, flux, (mass.low, mass.high))
    settings = Settings(config.infer.samples, keep=1000, predictive=500, modes=3, seed=1)
    proposal = FlowProposal(estimator, settings.seed, config.infer.sampling)
    plain = Inference(proposal, simulator, support, settings)
    target = Target(build_likelihood(config))
    weighing = Inference(proposal, simulator, support, replace(settings, polish="exact"), target)
    grid = ExactProposal(ExactModel(build_likelihood(config), COARSE), settings.seed)
    exact = Inference(grid, simulator, support, replace(settings, polish="exact", exact=True), target)
    return Production(config, estimator, library, plain, weighing, exact)


def _rows(batch: Batch) -> dict[str, NDArray[Any]]:
    """Return examples as an archive would give them to the engine."""
    flux, sigma, observed, given = (a.numpy() for a in batch.photometry)
    n, bands = flux.shape
    flux, sigma = (np.where(observed, a, np.nan).astype(np.float64) for a in (flux, sigma))
    return {
        "galaxy": np.full(n, "mock"),
        "cluster_id": np.array([str(i) for i in range(n)]),
        "flux": flux,
        "sigma": sigma,
        "observed": observed,
        "distance": given[:, 0].astype(np.float64),
        "reason": np.zeros((n, bands), np.uint8),
    }


def macs_per_sample(flow: torch.nn.Module) -> int:
    """Multiply-adds of the matrix products that one sample passes: every layer's but the embedding's."""
    return sum(p.numel() for name, p in flow.named_parameters() if p.ndim == 2 and not _once(name))


def macs_per_cluster(flow: torch.nn.Module) -> int:
    """Multiply-adds of the embedding, which a cluster passes once."""
    return sum(p.numel() for name, p in flow.named_parameters() if p.ndim == 2 and _once(name))


def _once(name: str) -> bool:
    """Return whether a cluster passes a weight once, and not with every sample."""
    return "embedding" in name or ".eye." in name
