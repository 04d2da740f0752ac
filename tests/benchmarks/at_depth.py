"""The gap of a flow to the exact posterior on simulations that have the errors of a catalogue's clusters.

    python tests/benchmarks/at_depth.py RUN CATALOGUE ...

Training draws more faint bands than catalogues have, so the gap on its own pairs says little about a catalogue. Here
the listed errors are those of random clusters of the catalogues with a positive flux in every band; parameters are
drawn from the prior, and the true signal-to-noise of each band from its distribution given the listed one.
"""

import argparse
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hpcflow.base.partitions import rng_for
from hpcflow.config.load import Config, with_values
from hpcflow.flow.estimator import as_tensors
from hpcflow.flow.precision import one_thread
from hpcflow.model.observe import Photometry, add_systematic
from hpcflow.model.signal_to_noise import LEAST_SIGNAL
from hpcflow.posterior.exact import ExactModel
from hpcflow.sources.cluster.parameters import SCALE
from hpcflow.stages.build import build_likelihood, build_prior, build_simulator
from hpcflow.stages.input import read_catalogues
from hpcflow.stages.run import Run
from hpcflow.stages.trained import trained_flow
from printed import table

Floats = NDArray[np.floating]

PAIRS = 1500
DISTANCES_MPC = (5.0, 20.0)
EDGES = (0.0, 0.1, 0.2, 0.35, np.inf)
STEPS = 6000


def listed_errors(config: Config) -> tuple[Floats, NDArray[np.bool_]]:
    """Return relative errors (N, B), systematic included, of clusters with all bands of a set, and these bands."""
    seen = read_catalogues(config)
    sigma = add_systematic(seen.flux, seen.sigma, np.full(len(seen.bands), config.observe.systematic))
    sets = np.array([[b in names for b in seen.bands] for names in config.observe.band_sets or [list(seen.bands)]])
    complete = (seen.observed[:, None] == sets).all(axis=2).any(axis=1) & ~(seen.flux <= 0).any(axis=1)
    return (sigma / seen.flux)[complete], seen.observed[complete]


def true_ratios(listed: Floats, rng: np.random.Generator) -> Floats:
    """Draw true ratios f / sigma (N, B) given listed ones, under errors that are uniform in the logarithm."""
    log_true = np.linspace(np.log(LEAST_SIGNAL), np.log(np.nanmax(listed) + 30), STEPS)
    found = np.empty(listed.shape)
    for place, at in np.ndenumerate(listed):
        cumulated = np.cumsum(np.exp(-0.5 * (at - np.exp(log_true)) ** 2))
        found[place] = np.exp(np.interp(rng.random() * cumulated[-1], cumulated, log_true))
    return found


def gaps(run: Run, config: Config) -> tuple[Floats, Floats]:
    """Return log p_exact - log q of PAIRS truths (N,), and the largest listed error of each."""
    rng = rng_for(1, "at depth")
    errors, observed = listed_errors(config)
    chosen = rng.integers(len(errors), size=PAIRS)
    errors, observed = np.where(observed, errors, 1.0)[chosen], observed[chosen]
    prior, simulator = build_prior(config), build_simulator(config)
    theta, distance = prior.sample(PAIRS, rng), rng.uniform(*DISTANCES_MPC, PAIRS)
    true = simulator(theta[:, prior.index(simulator.parameters)])
    true *= SCALE.factor(theta[:, prior.names.index("log_mass")], distance[:, None])[:, None]
    sigma = true / true_ratios(1 / errors, rng)
    photometry = Photometry(sigma / errors, sigma, observed, distance[:, None])
    log_p = ExactModel(build_likelihood(config)).log_prob(theta, photometry)
    estimator = trained_flow(run.flow)
    with torch.inference_mode():
        x = estimator.condition(as_tensors(photometry))
        log_q = estimator.flow(torch.from_numpy(theta).float(), x).double().numpy()
    return log_p - log_q, np.where(observed, errors, 0.0).max(axis=1)


def rows(gap: Floats, worst: Floats) -> Iterator[list[str]]:
    """Yield a row for all pairs, and one for each range of their largest error."""
    kinds = {"all": np.full(len(gap), True)}
    for low, high in pairwise(EDGES):
        kinds[f"{low:g} to {high:g}" if np.isfinite(high) else f"above {low:g}"] = (worst >= low) & (worst < high)
    for name, kind in kinds.items():
        here = gap[kind]
        error = here.std() / np.sqrt(len(here))
        yield [name, f"{len(here)}", f"{here.mean():.3f} +- {error:.3f}", f"{np.median(here):.3f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("catalogues", nargs="+")
    asked = parser.parse_args()
    one_thread()
    run = Run(asked.run)
    config = with_values(run.config(), {"infer.catalogues": asked.catalogues, "infer.classes": [1, 2]})
    header = ["largest relative error of a band", "pairs", "gap, nats: mean", "median"]
    print(table(header, rows(*gaps(run, config))))


if __name__ == "__main__":
    main()
