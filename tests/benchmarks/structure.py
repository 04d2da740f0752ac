"""What the structure of a flow is worth: the gap after an equal processor time.

python tests/benchmarks/structure.py --minutes 1.5
"""

import argparse
from pathlib import Path

from hpcflow.config.load import load_config
from hpcflow.flow.precision import one_thread
from printed import table
from trials import examples, gap, trained_for

CONFIG = Path(__file__).parents[2] / "configs/phangs.yaml"
OLD = ("train.embedding=slots", "train.scale=learned", "train.flow.nodes=0")
PAPER = ("train.flow={family: cinn, blocks: 8, hidden: 256, layers: 3, embedding: 0}", "train.optimizer=adamw")
VARIANTS: dict[str, tuple[str, ...]] = {
    "affine coupling blocks (FrEIA), all parameters learned": (*OLD[:2], *PAPER, "train.learning_rate=1e-3"),
    "splines, all parameters learned": OLD,
    "the mass exact": ("train.embedding=slots", "train.flow.nodes=0"),
    "the mass exact, bands as a set": ("train.embedding=set", "train.flow.nodes=0"),
    "the mass exact, bands in places and as a set": ("train.flow.nodes=0",),
    "the same, E(B-V) between 128 ages": (),
    "the same, splines of 48 bins": ("train.flow.bins=48",),
    "the same, 16 frequencies": ("train.flow.frequencies=16",),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.5)
    parser.add_argument("--examples", type=int, default=1000)
    asked = parser.parse_args()
    one_thread()
    lines = []
    for what, sets in VARIANTS.items():
        config = load_config(CONFIG, sets)
        estimator, steps = trained_for(config, asked.minutes)
        value, error = gap(config, estimator, examples(config, asked.examples, 3))
        lines.append([what, f"{steps:,}", f"{value:.3f} ± {error:.3f}"])
        print(lines[-1], flush=True)
    print(table(["", "steps", "gap, nats"], lines))


if __name__ == "__main__":
    main()
