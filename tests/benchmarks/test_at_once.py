"""The posteriors that need no training, side by side on the same objects: exact ones, and those of the shipped flows.

HPCFLOW_FLOWS="runs/one:runs/two" adds the flows of runs in the bands of configs/phangs.yaml.
"""

import os
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hpcflow.config.load import Config, load_config, parse_config, with_values
from hpcflow.flow import shipped
from hpcflow.flow.precision import one_thread
from hpcflow.model.observe import Photometry
from hpcflow.posterior.proposal import Proposals
from hpcflow.posterior.sampling import BLOCK
from hpcflow.stages.build import build_observer, build_prior, build_scale, build_simulator
from hpcflow.stages.build_inference import build_inference
from hpcflow.stages.defaults import default_config
from hpcflow.stages.run import Run
from hpcflow.stages.which import EXACT, open_proposal
from printed import table

ROOT = Path(__file__).parents[2]
NOWHERE = Run(Path(os.devnull))
PAIRS, SMALL = 40 * BLOCK, 0.1  # objects, and the mean relative error below which errors count as small
TIMED, LEVELS = 2 * BLOCK, (0.16, 0.5, 0.84)
pytestmark = pytest.mark.benchmark


class Seen(NamedTuple):
    """True parameters (N, D) and photometry of N objects."""

    truth: NDArray[np.floating]
    photometry: Photometry


@pytest.fixture(scope="module")
def seen() -> Seen:
    config = load_config(ROOT / "configs/phangs.yaml")
    prior, simulator, rng = build_prior(config), build_simulator(config), np.random.default_rng(5)
    truth = prior.sample(PAIRS, rng)
    flux = simulator(truth[:, prior.index(simulator.parameters)])
    size = truth[:, prior.names.index(build_scale(config).parameter)]
    return Seen(truth, build_observer(config)(flux, size, rng))


def test_exact_and_shipped(seen: Seen, capsys: pytest.CaptureFixture[str]) -> None:
    one_thread()
    bands = load_config(ROOT / "configs/phangs.yaml").model.bands
    configs = {"exact": exact(bands)}
    for name in shipped.names():
        configs[f"shipped:{name}"] = parse_config(default_config(bands, f"{shipped.PREFIX}{name}"))
    for path in filter(None, os.environ.get("HPCFLOW_FLOWS", "").split(":")):
        trained = Run(Path(path)).config()
        configs[path] = with_values(trained, {"infer.flow": path, "infer.samples": 2048, "infer.sampling": "sobol"})
    log_p = densities(configs["exact"], seen)
    rows = [[name, *measured(config, seen, log_p)] for name, config in configs.items()]
    header = ["", "gap, nats", "68 % intervals hold", f"errors below {SMALL:.0%}", "efficiency", "precision", "ms"]
    with capsys.disabled():
        print("\n" + table(header, rows))


def exact(bands: dict[str, str]) -> Config:
    """Return the config of exact posteriors of the survey's objects."""
    config = load_config(ROOT / "configs/phangs.yaml")
    assert config.model.bands == bands
    return with_values(config, {"infer.posterior": EXACT})


def proposals(config: Config, photometry: Photometry, start: int) -> Proposals:
    """Return what samples of a block of objects are drawn from."""
    block = Photometry(*(a[start : start + BLOCK] for a in photometry))
    ones = [[Photometry(*(a[k : k + 1] for a in block))] for k in range(len(block.flux))]
    return open_proposal(config, NOWHERE).of(block, ones, [("mock", str(start + k)) for k in range(len(ones))])


def densities(config: Config, seen: Seen) -> NDArray[np.floating]:
    """Return the log-densities (N,) of the truths."""
    starts = range(0, len(seen.truth), BLOCK)
    found = [
        proposals(config, seen.photometry, start).log_q_at(seen.truth[start : start + BLOCK, None]) for start in starts
    ]
    return np.concatenate(found)[:, 0]


def measured(config: Config, seen: Seen, log_p: NDArray[np.floating]) -> list[str]:
    """Return a row of the table."""
    apart = log_p - densities(config, seen)
    other = with_values(config, {"infer.seed": config.infer.seed + 1})
    inside, spread = [], []
    for start in range(0, PAIRS // 4, BLOCK):
        two = [quantiles(of, seen.photometry, start) for of in (config, other)]
        low, _, high = two[0]
        truth = seen.truth[start : start + BLOCK]
        inside.append((truth > low) & (truth < high))
        spread.append((two[0] - two[1]) / np.maximum(high - low, 1e-9) * 2)
    held = np.concatenate(inside)
    error = mean_error(seen.photometry)[: len(held)]
    precision = np.sqrt((np.concatenate(spread, axis=1) ** 2).mean(axis=1) / 2)
    took, efficiency = timed(config, seen)
    return [
        f"{apart.mean():.3f} ± {apart.std() / np.sqrt(len(apart)):.3f}",
        "; ".join(f"{100 * share:.0f}" for share in held.mean(axis=0)),
        "; ".join(f"{100 * share:.0f}" for share in held[error < SMALL].mean(axis=0)),
        f"{100 * efficiency:.0f} %",
        f"{precision.min():.4f} to {precision.max():.4f}",
        f"{1e3 * took:.1f}",
    ]


def quantiles(config: Config, photometry: Photometry, start: int) -> NDArray[np.floating]:
    """Return the quantiles (3, n, D) of the samples of a block's objects, unweighted."""
    with torch.inference_mode():
        theta, _ = proposals(config, photometry, start).samples(config.infer.samples)
    return np.quantile(theta.double().numpy(), LEVELS, axis=1)


def mean_error(photometry: Photometry) -> NDArray[np.floating]:
    """Return the mean relative error (N,) of detected bands."""
    used = photometry.observed & (photometry.flux > photometry.sigma)
    error = np.where(used, photometry.sigma / np.where(used, photometry.flux, 1.0), 0.0)
    return np.where(used.any(axis=1), error.sum(axis=1) / np.maximum(used.sum(axis=1), 1), 1.0)


def timed(config: Config, seen: Seen) -> tuple[float, float]:
    """Return the processor seconds of everything that the archive has of an object, and the median efficiency."""
    engine = build_inference(config, NOWHERE, build_simulator(config))
    flux, sigma, observed, given = (a[:TIMED] for a in seen.photometry)
    rows = {
        "galaxy": np.full(TIMED, "mock"),
        "cluster_id": np.arange(TIMED).astype(str),
        "flux": np.where(observed, flux, np.nan),
        "sigma": np.where(observed, sigma, np.nan),
        "observed": observed,
        "reason": np.zeros(observed.shape, np.uint8),
        "distance": given[:, 0],
    }
    engine.infer({name: values[:BLOCK] for name, values in rows.items()})
    began = time.process_time()
    found = engine.infer(rows)
    return (time.process_time() - began) / TIMED, float(np.nanmedian(found["efficiency"]))
