"""Filters that a flow has never seen: the gap of one trained without two of its filters, beside one trained with all.

python tests/benchmarks/unseen_filters.py --minutes 3
"""

import argparse
from pathlib import Path

import torch

from hpcflow.config.load import Config, load_config
from hpcflow.flow.batches import Batch
from hpcflow.flow.checkpoint import load, save
from hpcflow.flow.estimator import Estimator
from hpcflow.flow.precision import one_thread
from hpcflow.model.observe import Photometry
from hpcflow.stages.build import build_physics
from printed import table
from trials import examples, gap, trained_for

CONFIG = Path(__file__).parents[2] / "configs/hst-clusters.yaml"
LEFT_OUT = ("F547M", "F606W")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--examples", type=int, default=3000)
    parser.add_argument("--folder", type=Path, default=Path("runs/unseen"), help="where the flows are kept")
    asked = parser.parse_args()
    one_thread()
    whole = load_config(CONFIG)
    named = {band: curve for band, curve in whole.model.bands.items() if band not in LEFT_OUT}
    fewer = load_config(CONFIG, [f"model.bands={{{', '.join(f'{band}: {curve}' for band, curve in named.items())}}}"])
    batch = examples(whole, asked.examples, 3)
    lines = []
    for what, config in {"trained with all filters": whole, f"without {' and '.join(LEFT_OUT)}": fewer}.items():
        flow, steps = trained_for(config, asked.minutes)
        estimator = in_bands_of(whole, flow, asked.folder / str(len(flow.bands)))
        row = [what, f"{steps:,}"]
        for part in ("none", *LEFT_OUT):
            value, error = gap(whole, estimator, _with(batch, whole, part))
            row.append(f"{value:.3f} ± {error:.3f}")
        lines.append(row)
        print(row, flush=True)
    print(table(["", "steps", "objects without the two", *(f"with {band}" for band in LEFT_OUT)], lines))


def in_bands_of(config: Config, flow: Estimator, folder: Path) -> Estimator:
    """Return a flow that sees a set in the bands of another config."""
    save(flow, folder, {})
    return load(folder, build_physics(config))


def _with(batch: Batch, config: Config, band: str) -> Batch:
    """Return the examples that have a band, or that have none of those left out."""
    columns = {name: list(config.model.bands).index(name) for name in LEFT_OUT}
    observed = batch.photometry.observed
    have = observed[:, columns[band]] if band in columns else ~observed[:, list(columns.values())].any(dim=1)
    rows = torch.nonzero(have)[:, 0]
    return Batch(batch.theta[rows], Photometry(*(part[rows] for part in batch.photometry)))


if __name__ == "__main__":
    main()
