"""Inference beside sbi and Synference: one table, one run, one thread, processor time.

To sbi goes what is hpcflow's own here: the faster matrix products, and a malloc that keeps its pages.
"""

import importlib
from collections.abc import Callable
from typing import Any

import pytest
import torch

from clocks import interleaved
from hpcflow.posterior.sampling import BLOCK
from hpcflow.store.schema import QUANTILES
from peers import FLOWS, sbi_posterior, synference_catalogue, weights
from printed import table
from production import production

SAMPLES = 10_000  # of each cluster, independent as the others' are
CLUSTERS, REPEATS = 4, 3  # of the others, cluster by cluster; hpcflow is given a block
OURS, PAPER = "hpcflow, phangs.yaml", "hpcflow, walter2026.yaml (FrEIA)"
SHIPPED = "hpcflow, phangs.yaml, 2,048 quasi-random samples, which are more precise"
BLOCKS = {OURS: BLOCK, PAPER: BLOCK // 4, SHIPPED: BLOCK}
pytestmark = [pytest.mark.benchmark, pytest.mark.filterwarnings("ignore")]


def test_the_same_of_others(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sbi", reason="sbi is not installed; the extra [bench] has it")
    alike = (f"infer.samples={SAMPLES}", "infer.sampling=independent")
    it, paper = production("phangs", *alike), production("walter2026", *alike)
    asked, train = it.examples(CLUSTERS, 2), it.examples(20_000, 3)
    x, x_train = it.features(asked), it.features(train).clone()
    size: dict[str, int] = {}
    runs: dict[tuple[str, str], Callable[[], object]] = {}
    for row, one in ((OURS, it), (SHIPPED, production("phangs")), (PAPER, paper)):
        size[row] = one.estimator.weights
        block = one.examples(BLOCKS[row], 2)
        runs[row, "samples"], runs[row, "all"] = one.sampling(block), one.inferring(block, one.engine)
    posteriors = {name: sbi_posterior(name, it.estimator.prior, train.theta, x_train) for name in FLOWS}
    for name, posterior in posteriors.items():
        for way, (draw, density) in ways(posterior, x).items():
            row = f"sbi {name}, {way}"
            size[row] = weights(posterior)
            runs[row, "samples"] = draw
            runs[row, "all"] = lambda draw=draw, density=density: summaries(density(draw()))
    try:
        importlib.import_module("synference")
    except ImportError as e:
        lacking = f"Synference is left out: {e}"
    else:
        lacking, row = "", "Synference, fit_catalogue, nsf"
        size[row] = weights(posteriors["nsf"])
        names = it.estimator.prior.names
        runs[row, "all"] = synference_catalogue(posteriors["nsf"], names, x, x_train, SAMPLES)
    took = {
        (row, what): seconds / BLOCKS.get(row, CLUSTERS) for (row, what), seconds in interleaved(runs, REPEATS).items()
    }
    with capsys.disabled():
        print(f"\nprocessor ms per cluster of {SAMPLES:,} samples, and how many times as long as {OURS}'s")
        header = ["", "weights", "samples", "times", "samples, log q, quantiles", "times"]
        print(
            table(
                header,
                [[row, f"{n:,}", *cells(took, row, "samples"), *cells(took, row, "all")] for row, n in size.items()],
            )
        )
        print("hpcflow's samples have their log q, its last column modes, predictive and the rest of the archive.")
        for name, posterior in posteriors.items():
            print(f"sbi {name}: {in_prior(posterior, x):.0%} of its flow's samples are in the prior")
        print(lacking)


def ways(posterior: Any, x: torch.Tensor) -> dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]]:
    """Return the two ways in which sbi samples clusters x (N, F), and for each what gives its log q."""
    quiet = {"show_progress_bars": False}

    def loop() -> torch.Tensor:
        return torch.stack([posterior.sample((SAMPLES,), x=one, **quiet) for one in x], dim=1)

    def loop_density(theta: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        return theta, [posterior.log_prob(theta[:, i], x=one) for i, one in enumerate(x)]

    return {
        "sample_batched": (
            lambda: posterior.sample_batched((SAMPLES,), x=x, **quiet),
            lambda theta: (theta, posterior.log_prob_batched(theta, x=x)),
        ),
        "one by one": (loop, loop_density),
    }


def summaries(found: tuple[torch.Tensor, Any]) -> torch.Tensor:
    return torch.quantile(found[0], torch.tensor(QUANTILES), dim=0)


def in_prior(posterior: Any, x: torch.Tensor) -> float:
    return sum(float(posterior.leakage_correction(x=one[None])) for one in x) / len(x)


def cells(took: dict[tuple[str, str], float], row: str, what: str) -> tuple[str, str]:
    if (row, what) not in took:
        return "-", "-"
    return f"{1e3 * took[row, what]:.0f}", f"{took[row, what] / took[OURS, what]:.1f}"
