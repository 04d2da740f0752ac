"""How fast inference is, one thread, in processor time, as ratios taken in one run: the machine may be shared."""

import copy
import time

import pytest
import torch

from clocks import interleaved, peak_flops, spent_in
from hpcflow.posterior import inference
from hpcflow.posterior.modes import mean_shift
from hpcflow.posterior.sampling import BLOCK
from production import SAMPLES, macs_per_cluster, macs_per_sample, production

REPEATS = 5
CLUSTERS = {"phangs": BLOCK, "walter2026": BLOCK // 4}  # what takes long is asked of few
pytestmark = pytest.mark.benchmark
flows = pytest.mark.parametrize("name", ["phangs", "walter2026"])


@flows
def test_clusters_per_second_and_its_parts(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    it, n = production(name), CLUSTERS[name]
    asked, flow = it.examples(n, 2), it.estimator.flow
    weigh = it.inferring(asked, weighing=True)
    runs = {"all": it.inferring(asked), "weights": weigh, "sampling": it.sampling(asked)}
    took = interleaved(runs, REPEATS)
    with spent_in(inference, "hpcflow") as spent:
        out = weigh()
    assert (out["theta"] == out["theta"]).all(axis=(1, 2)).any()
    operations, peak = 2 * (macs_per_sample(flow) * SAMPLES + macs_per_cluster(flow)), peak_flops()
    each = {what: seconds / n for what, seconds in took.items()}
    parts = {part: seconds / n for part, seconds in sorted(spent.items(), key=lambda item: -item[1])}
    with capsys.disabled():
        print(f"\n{name}: {it.estimator.weights:,} weights, {macs_per_sample(flow):,} multiply-adds a sample")
        print(f"  {1 / each['all']:.1f} clusters/s and core of {SAMPLES:,} samples; peak {peak / 1e9:.0f} GFLOP/s")
        print(
            f"  the flow alone {SAMPLES / each['sampling']:,.0f} samples/s with log q, "
            f"{operations / each['sampling'] / peak:.0%} of the peak; all {operations / each['all'] / peak:.0%}"
        )
        print(f"  weighed, with modes climbed on the likelihood: {1 / each['weights']:.1f} clusters/s and core:")
        for part, seconds in {**parts, "rest, the likelihood": each["weights"] - sum(parts.values())}.items():
            print(f"  {part:<20}{1e3 * seconds:7.2f} ms")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@flows
def test_on_a_gpu(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    it, n = production(name), 64
    flow, x = copy.deepcopy(it.estimator.flow).cuda(), it.features(it.examples(n, 2)).cuda()
    noise = torch.randn(n, SAMPLES, flow.dim, device="cuda")

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
    with capsys.disabled():
        print(f"\n{name} on {torch.cuda.get_device_name()}: {n / sample:,.0f} clusters/s sampled with log q, ", end="")
        print(f"{n / (sample + rest):,.0f} with modes and quantiles")
