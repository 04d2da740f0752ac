"""How fast inference is, one thread, in processor time, as ratios taken in one run: the machine may be shared."""

import copy
import time
from collections.abc import Mapping

import pytest
import torch

from clocks import interleaved, peak_flops, spent_in
from hpcflow.posterior import inference
from hpcflow.posterior.modes import mean_shift
from hpcflow.posterior.sampling import BLOCK
from printed import table
from production import macs_per_cluster, macs_per_sample, production

REPEATS = 5
CLUSTERS = {"phangs": BLOCK, "walter2026": BLOCK // 4}  # what takes long is asked of few
LONGEST = 6  # parts of the time that are told apart
pytestmark = pytest.mark.benchmark


def test_clusters_per_second_and_its_parts(capsys: pytest.CaptureFixture[str]) -> None:
    found = {name: measured(name, n) for name, n in CLUSTERS.items()}
    rows = [[row, *(column[row] for column in found.values())] for row in found["phangs"]]
    with capsys.disabled():
        print("\n" + table(["", *(f"`{name}.yaml`" for name in found)], rows))


def measured(name: str, n: int) -> Mapping[str, str]:
    """Return what a shipped config's flow takes for n clusters, by what it is."""
    it = production(name)
    asked, flow = it.examples(n, 2), it.estimator.flow
    weigh = it.inferring(asked, it.weighing)
    runs = {"all": it.inferring(asked, it.engine), "weights": weigh, "exact": it.inferring(asked, it.exact)}
    runs["sampling"] = it.sampling(asked)
    took = interleaved(runs, REPEATS)
    with spent_in(inference, "hpcflow") as spent:
        out = weigh()
    assert (out["theta"] == out["theta"]).all(axis=(1, 2)).any()
    operations, peak = 2 * (macs_per_sample(flow) * it.samples + macs_per_cluster(flow)), peak_flops()
    each = {what: seconds / n for what, seconds in took.items()}
    longest = sorted(spent, key=lambda part: -spent[part])[:LONGEST]
    parts = {part: 1e3 * spent[part] / n for part in longest}
    parts["the likelihood and the rest"] = 1e3 * each["weights"] - sum(parts.values())
    return {
        "weights; multiply-adds a sample": f"{it.estimator.weights:,}; {macs_per_sample(flow):,}",
        "samples of a cluster": f"{it.samples:,}, {it.config.infer.sampling}",
        "clusters/s and core": f"{1 / each['all']:.1f}",
        "with importance weights and modes climbed": f"{1 / each['weights']:.1f}",
        "exact posteriors, without a flow": f"{1 / each['exact']:.1f}",
        "samples/s with log q, the flow alone": f"{it.samples / each['sampling']:,.0f}",
        "share of the arithmetic peak, the flow alone; everything": "; ".join(
            f"{100 * operations / each[what] / peak:.0f} %" for what in ("sampling", "all")
        ),
        "the peak": f"{peak / 1e9:.0f} GFLOP/s",
        "with weights, ms a cluster": "; ".join(f"{part} {value:.1f}" for part, value in parts.items()),
    }


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("name", CLUSTERS)
def test_on_a_gpu(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    it, n = production(name), 64
    flow, x = copy.deepcopy(it.estimator.flow).cuda(), it.features(it.examples(n, 2)).cuda()
    noise = torch.randn(n, it.samples, flow.dim, device="cuda")

    @torch.inference_mode()
    def run() -> tuple[float, float]:
        torch.cuda.synchronize()
        start = time.perf_counter()
        theta, _ = flow.transform(noise, x)
        torch.cuda.synchronize()
        sampled = time.perf_counter()
        mean_shift(theta, 3)
        torch.quantile(theta, torch.tensor([0.16, 0.5, 0.84], device="cuda"), dim=1)
        torch.cuda.synchronize()
        return sampled - start, time.perf_counter() - sampled

    run()
    sample, rest = (float(t.median()) for t in torch.tensor([run() for _ in range(REPEATS)]).T)
    header = [f"{name} on {torch.cuda.get_device_name()}", "clusters/s sampled with log q", "modes and quantiles too"]
    with capsys.disabled():
        print("\n" + table(header, [["", f"{n / sample:,.0f}", f"{n / (sample + rest):,.0f}"]]))
