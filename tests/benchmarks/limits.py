"""What an upper limit is worth: clusters whose F275W is not detected, inferred with the limit and without the band.

    python tests/benchmarks/limits.py RUN

RUN is a run folder with a flow that was trained under normal noise. Clusters are drawn from its prior, at 4 to 23 Mpc,
with the depths of `hpcflow mock`, errors of 5 % besides, and S/N above 10 in F555W.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hpcflow.catalogues.depth import DEPTHS, photometric_error
from hpcflow.flow import checkpoint
from hpcflow.flow.estimator import Estimator
from hpcflow.flow.precision import one_thread
from hpcflow.model.observe import Photometry, normal, scale
from hpcflow.stages.build import build_prior, build_simulator
from hpcflow.stages.run import Run
from printed import table

CLUSTERS, SAMPLES, DRAWN, TILE = 2000, 1000, 100_000, 25
DISTANCES_MPC, SYSTEMATIC, SIGNAL_TO_NOISE = (4.0, 23.0), 0.05, 10.0
Floats = NDArray[np.floating]


class Clusters(NamedTuple):
    """Clusters as they were observed, and their true parameters (N, D)."""

    truth: Floats
    photometry: Photometry

    def where(self, rows: NDArray[np.bool_]) -> "Clusters":
        """Return the first of the clusters that are chosen by rows (N,)."""
        first = np.flatnonzero(rows)[:CLUSTERS]
        return Clusters(self.truth[first], Photometry(*(a[first] for a in self.photometry)))

    def without(self, band: int) -> "Clusters":
        """Return the same with a band not observed."""
        observed = self.photometry.observed.copy()
        observed[:, band] = False
        return self._replace(photometry=self.photometry._replace(observed=observed))


def drawn(run: Run, rng: np.random.Generator) -> Clusters:
    """Return clusters of the run's prior that are bright enough in F555W."""
    config = run.config()
    prior, simulator, bands = build_prior(config), build_simulator(config), list(config.model.bands)
    truth = prior.sample(DRAWN, rng)
    distance = rng.uniform(*DISTANCES_MPC, DRAWN)
    mass = truth[:, prior.names.index("log_mass")]
    flux = simulator(truth[:, prior.index(simulator.parameters)]) * scale(mass, distance)[:, None]
    common, own = rng.standard_normal(DRAWN), rng.standard_normal(flux.shape)
    depths = [DEPTHS[curve] for curve in config.model.bands.values()]
    error = [photometric_error(flux[:, b], depth, common, own[:, b]) for b, depth in enumerate(depths)]
    sigma = np.hypot(np.stack(error, axis=1), SYSTEMATIC * flux)
    seen = normal(flux, sigma, rng.standard_normal(flux.shape))
    v = bands.index("F555W")
    bright = seen[:, v] > SIGNAL_TO_NOISE * sigma[:, v]
    photometry = Photometry(seen, sigma, np.ones(seen.shape, dtype=bool), distance)
    return Clusters(truth[bright], Photometry(*(a[bright] for a in photometry)))


@torch.inference_mode()
def posteriors(estimator: Estimator, clusters: Clusters) -> Floats:
    """Return samples (N, S, D) of every cluster."""
    x, made = estimator.condition(clusters.photometry), torch.Generator().manual_seed(1)
    noise = torch.randn(len(x), SAMPLES, estimator.flow.dim, generator=made)
    tiles = zip(noise.split(TILE), x.split(TILE), strict=True)
    return torch.cat([estimator.flow.transform(*tile)[0] for tile in tiles]).numpy()


def column(estimator: Estimator, clusters: Clusters) -> dict[str, str]:
    """Return how the truth lies in posteriors, by what it is."""
    samples, truth, names = posteriors(estimator, clusters), clusters.truth, estimator.prior.names
    low, median, high = np.quantile(samples, [0.16, 0.5, 0.84], axis=1)
    rank, away = (samples < truth[:, None]).mean(axis=1).mean(axis=0), median - truth
    age = names.index("log_age")
    found = {f"mean rank of the true {name}": f"{rank[d]:.3f}" for d, name in enumerate(names) if name != "log_mass"}
    for d, name in enumerate(names):
        found[f"{name}, median less truth, mean and rms"] = (
            f"{away[:, d].mean():+.2f}, {np.sqrt((away[:, d] ** 2).mean()):.2f}"
        )
    found["half-width of the 68 % interval of log_age, median"] = f"{np.median(high - low, axis=0)[age] / 2:.2f}"
    inside = 100 * ((truth >= low) & (truth <= high)).mean(axis=0)
    found[f"coverage of the 68 % intervals ({', '.join(names)})"] = f"{', '.join(f'{i:.0f}' for i in inside)} %"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    run = Run(parser.parse_args().run)
    one_thread()
    estimator, every = checkpoint.load(run.flow), drawn(run, np.random.default_rng(1))
    uv = estimator.bands.index("F275W")
    flux, sigma = (a[:, uv] for a in every.photometry[:2])
    header, columns = [""], []
    for name, rows in (("below its error", flux < sigma), ("below zero", flux < 0)):
        some = every.where(rows)
        header += [f"F275W {name}, as a limit", "left out"]
        columns += [column(estimator, some), column(estimator, some.without(uv))]
    print(table(header, ([name, *(found[name] for found in columns)] for name in columns[0])))


if __name__ == "__main__":
    main()
