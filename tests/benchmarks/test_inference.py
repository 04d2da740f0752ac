"""How fast inference is, one thread, in processor time, as ratios taken in one run: the machine may be shared."""

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch

from clocks import interleaved, peak_flops, spent_in
from hpcflow.flow.precision import one_thread
from hpcflow.posterior import cluster
from peers import FLOWS, sbi_posterior, synference_catalogue, weights
from production import Production, macs_per_cluster, macs_per_sample, production, rows

SAMPLES, REPEATS = 10_000, 5
CLUSTERS = {"phangs": 16, "walter2026": 2}  # what takes long is asked of few
pytestmark = pytest.mark.benchmark
flows = pytest.mark.parametrize("name", ["phangs", "walter2026"])


@cache
def made(name: str) -> Production:
    one_thread()
    return production(name, SAMPLES)


@flows
def test_clusters_per_second_and_core(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    it = made(name)
    flow, given = it.estimator.flow, rows(it.examples(CLUSTERS[name], 2))
    x = it.features(it.examples(1, 2))
    noise = torch.randn(1, SAMPLES, flow.dim)

    def sample() -> None:
        with torch.inference_mode():
            flow.transform(noise, x)

    one = interleaved({"all": lambda: it.engine.infer(given), "sampling": sample}, REPEATS)
    with spent_in(cluster, "hpcflow") as spent:
        out = it.engine.infer(given)
    assert (out["theta"] == out["theta"]).all(axis=(1, 2)).sum() >= 1
    operations = 2 * (macs_per_sample(flow) * SAMPLES + macs_per_cluster(flow))
    peak, each = peak_flops(), one["all"] / CLUSTERS[name]
    parts = {part: seconds / CLUSTERS[name] for part, seconds in sorted(spent.items(), key=lambda item: -item[1])}
    with capsys.disabled():
        print(f"\n{name}: {it.estimator.weights:,} weights, {macs_per_sample(flow):,} multiply-adds a sample")
        print(f"  peak {peak / 1e9:.0f} GFLOP/s; {1 / each:.1f} clusters/s and core of {SAMPLES:,} samples")
        print(
            f"  the flow alone: {SAMPLES / one['sampling']:,.0f} samples/s with log q, "
            f"{operations / one['sampling'] / peak:.0%} of the peak; all of inference {operations / each / peak:.0%}"
        )
        for part, seconds in parts.items():
            print(f"  {part:<18}{1e3 * seconds:7.2f} ms")
        print(f"  {'rest':<18}{1e3 * (each - sum(parts.values())):7.2f} ms")


@pytest.mark.filterwarnings("ignore")
def test_against_sbi_and_synference(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sbi", reason="sbi is not installed; the extra [bench] has it")
    it, n = made("phangs"), 4
    train, asked = it.examples(20_000, 3), it.examples(n, 2)
    x_train, x = it.features(train).clone(), it.features(asked).clone()
    given, flow, noise = rows(asked), it.estimator.flow, torch.randn(n, SAMPLES, it.estimator.flow.dim)

    def sample() -> None:
        with torch.inference_mode():
            for i in range(n):
                flow.transform(noise[i : i + 1], x[i : i + 1])

    posteriors = {name: sbi_posterior(name, it.estimator.prior, train.theta, x_train) for name in FLOWS}
    contestants: dict[str, Callable[[], object]] = {"sampling": sample, "all": lambda: it.engine.infer(given)}
    for name, posterior in posteriors.items():
        contestants |= {f"{name} {what}": run for what, run in asked_of_sbi(posterior, x).items()}
    try:
        importlib.import_module("synference")
        contestants["synference"] = synference_catalogue(
            posteriors["nsf"], it.estimator.prior.names, x, x_train, SAMPLES
        )
    except ImportError as e:
        contestants["synference"] = lambda: None
        missing = f"synference is not compared: {e}"
    took = {name: seconds / n for name, seconds in interleaved(contestants, 3).items()}
    with capsys.disabled():
        print(f"\nms per cluster of {SAMPLES:,} samples; how many times as long as hpcflow's, in brackets")
        print(f"hpcflow, {it.estimator.weights:,} weights: samples with log q {1e3 * took['sampling']:.0f}, ", end="")
        print(f"all of inference {1e3 * took['all']:.0f}")
        for name, posterior in posteriors.items():
            print(f"sbi {name}, {weights(posterior):,} weights, {kept(posterior, x):.0%} of its samples in the prior:")
            for what in asked_of_sbi(posterior, x):
                seconds = took[f"{name} {what}"]
                print(f"  {what:<28}{1e3 * seconds:8.0f} ({seconds / took['sampling']:.1f})")
            both = took[f"{name} sample, one by one"] + took[f"{name} log_prob, one by one"]
            print(f"  {'both, against all of inference':<28}{1e3 * both:8.0f} ({both / took['all']:.1f})")
        synference = took["synference"]
        ratios = f"({synference / took['sampling']:.1f}; {synference / took['all']:.1f} of all)"
        print(missing if synference < 1e-4 else f"synference, nsf: fit_catalogue {1e3 * synference:.0f} {ratios}")


def asked_of_sbi(posterior: Any, x: torch.Tensor) -> dict[str, Callable[[], object]]:
    quiet = {"show_progress_bars": False}
    drawn = posterior.sample_batched((SAMPLES,), x=x, **quiet)
    return {
        "sample_batched": lambda: posterior.sample_batched((SAMPLES,), x=x, **quiet),
        "log_prob_batched": lambda: posterior.log_prob_batched(drawn, x=x),
        "sample, one by one": lambda: [posterior.sample((SAMPLES,), x=one, **quiet) for one in x],
        "log_prob, one by one": lambda: [posterior.log_prob(drawn[:, i], x=one) for i, one in enumerate(x)],
    }


def kept(posterior: Any, x: torch.Tensor) -> float:
    return sum(float(posterior.leakage_correction(x=one[None])) for one in x) / len(x)
