"""How precise quantiles are, by kind and number of a flow's samples: rms error in posterior standard deviations.

    python tests/benchmarks/quantiles.py RUN --clusters 64

RUN is a run folder with a flow and an archive. The reference is the mean over many independent sets of samples.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from hpcflow.flow.precision import one_thread
from hpcflow.model.observe import Photometry
from hpcflow.posterior.quasirandom import INDEPENDENT, SOBOL, keyed_noise
from hpcflow.posterior.sampling import conditions, embedded, sample
from hpcflow.stages.run import Run
from hpcflow.stages.trained import trained_flow
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.schema import QUANTILES
from printed import table

KINDS = ((INDEPENDENT, 10_000), (INDEPENDENT, 2048), (SOBOL, 512), (SOBOL, 1024), (SOBOL, 2048), (SOBOL, 4096))
REFERENCES = 40  # sets of the largest number of samples
SCRAMBLINGS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--clusters", type=int, default=64)
    asked = parser.parse_args()
    one_thread()
    run = Run(asked.run)
    estimator, archive = trained_flow(run.flow), PosteriorArchive.open(run.posteriors)
    there = np.flatnonzero(np.isfinite(archive.read("map")).all(axis=1))
    rows = there[np.linspace(0, len(there) - 1, asked.clusters).astype(int)]
    names = ("flux", "sigma", "observed", *(quantity.name for quantity in estimator.scale.given))
    read = {name: archive.read(name)[rows] for name in names}
    seen = Photometry(read["flux"], read["sigma"], read["observed"], estimator.scale.stacked(read))
    context = embedded(estimator.flow, conditions(estimator, seen))

    def quantiles(kind: str, n: int, seed: int) -> np.ndarray:
        """Return quantiles (N, Q, D)."""
        noise = torch.stack([keyed_noise(seed, ("", str(k)), n, estimator.flow.dim, kind) for k in range(len(rows))])
        theta, _ = sample(estimator.flow, context, noise)
        return np.quantile(theta.double().numpy(), QUANTILES, axis=1).transpose(1, 0, 2)

    sets = [quantiles(INDEPENDENT, KINDS[0][1], 1000 + seed) for seed in range(REFERENCES)]
    reference, std = np.mean(sets, axis=0), np.abs(np.mean(sets, axis=0)[:, [2]] - np.mean(sets, axis=0)[:, [0]]) / 2
    lines = []
    for kind, n in KINDS:
        began = time.process_time()
        found = [quantiles(kind, n, seed) for seed in range(SCRAMBLINGS)]
        each = (time.process_time() - began) / SCRAMBLINGS / len(rows)
        error = np.sqrt((((np.array(found) - reference) / std) ** 2).mean(axis=(0, 1)))  # (Q, D)
        apart = np.sqrt((((found[0] - found[1]) / std) ** 2).mean(axis=0) / 2)
        spans = [f"{values.min():.4f} to {values.max():.4f}" for values in (error, apart)]
        lines.append([kind, f"{n:,}", *spans, f"{1e3 * each:.1f} ms"])
    print(table(["samples", "number", "rms error", "from two sets", "a cluster"], lines))


if __name__ == "__main__":
    main()
