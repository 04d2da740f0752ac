"""Flows that see bands as a set, and those completed by the exact density of the scale."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import qmc

from clusters import cluster_observer
from hpcflow.base.errors import InputError
from hpcflow.flow.checkpoint import load, save
from hpcflow.flow.estimator import Estimator, as_tensors, combine
from hpcflow.flow.features import bare
from hpcflow.flow.physics import Physics
from hpcflow.flow.templates import TEMPLATES, Templates
from hpcflow.model.observe import Photometry
from hpcflow.model.prior import Parameter, Prior
from hpcflow.model.scale import Scale
from hpcflow.sources.cluster.parameters import SCALE
from toy import Toy

torch.set_num_threads(1)

PRIOR = Prior((Parameter("log_age", 6, 10), Parameter("log_mass", 2, 8), Parameter("ebv", 0, 1.5)))
SMALL = {"family": "autoregressive", "hidden": 8, "embedding_hidden": 16, "rank": 4}
EXACT = {**SMALL, "scale_errors": [0.02, 1e4]}


def physics(bands: str = "UBVI") -> Physics:
    return Physics(Toy(bands), PRIOR.select(("log_age", "ebv")))


def estimator(bands: str = "UBVI", seed: int = 1, **flow: object) -> Estimator:
    """Return a flow with random weights: as it begins, a flow is its prior, whatever it sees."""
    torch.manual_seed(seed)
    found = Estimator(PRIOR, tuple(bands), SCALE, "asinh", {**EXACT, **flow}, physics(bands))
    generator = torch.Generator().manual_seed(seed)
    for weights in found.learned.parameters():
        weights.data += 0.1 * torch.randn(weights.shape, generator=generator)
    return found.eval().requires_grad_(False)


def observed(n: int = 8) -> tuple[np.ndarray, Photometry]:
    rng = np.random.default_rng(1)
    theta = PRIOR.sample(n, rng)
    observer = cluster_observer("normal", (0.03, 0.5), missing=0.3, undetected=0.1)
    return theta, observer(Toy()(theta[:, [0, 2]]), theta[:, 1], rng)


def seen_in(photometry: Photometry, columns: list[int]) -> Photometry:
    return Photometry(*(a[:, columns] for a in photometry[:3]), photometry.given)


@pytest.mark.parametrize("embedding", ["slots", "set", "both"])
def test_samples_have_the_density_they_state(embedding: str) -> None:
    flow, (_, photometry) = estimator(sees=embedding), observed()
    x = flow.condition(photometry)
    theta, log_q = flow.flow.transform(torch.randn((8, 500, 3), generator=torch.Generator().manual_seed(2)), x)
    assert torch.isfinite(theta).all() and torch.isfinite(log_q).all()
    difference = (flow.flow.log_prob(theta, x) - log_q).abs()
    assert difference.median() < 1e-3
    assert difference.quantile(0.99) < 0.1  # where the density is steep, the last bit of a sample counts


def test_the_order_of_bands_does_not_matter() -> None:
    flow, (theta, photometry) = estimator(sees="set"), observed()
    other = estimator("IVUB", sees="set")
    other.load_state_dict(flow.state_dict())
    turned = seen_in(photometry, [3, 2, 0, 1])
    points = torch.from_numpy(theta).float()
    here, there = (f.flow(points, f.condition(p)) for f, p in ((flow, photometry), (other, turned)))
    torch.testing.assert_close(here, there, atol=1e-3, rtol=1e-4)


def test_a_missing_band_is_no_band() -> None:
    flow, (theta, photometry) = estimator(sees="set"), observed()
    without = photometry._replace(observed=photometry.observed & np.array([True, True, True, False]))
    other = estimator("UBV", sees="set")
    other.load_state_dict(flow.state_dict())
    points = torch.from_numpy(theta).float()
    here = flow.flow(points, flow.condition(without))
    there = other.flow(points, other.condition(seen_in(photometry, [0, 1, 2])))
    have = without.observed.any(axis=1)
    torch.testing.assert_close(here[have], there[have], atol=1e-3, rtol=1e-4)


def test_it_is_loaded_in_other_bands(tmp_path: Path) -> None:
    flow = estimator(sees="set")
    save(flow, tmp_path / "flow", {})
    assert load(tmp_path / "flow", physics("VI")).bands == ("V", "I")
    same = load(tmp_path / "flow", physics())
    x = flow.condition(observed()[1])
    theta = PRIOR.sample(8, np.random.default_rng(3))
    assert torch.equal(*(f.flow(torch.from_numpy(theta).float(), x) for f in (flow, same)))
    with pytest.raises(InputError, match="without the simulator"):
        load(tmp_path / "flow")


@pytest.mark.parametrize("embedding", ["slots", "set"])
def test_members_are_combined(embedding: str) -> None:
    both = [estimator(sees=embedding, seed=seed) for seed in (1, 2)]
    whole, (theta, photometry) = combine(both), observed()
    points, x = torch.from_numpy(theta).float(), whole.condition(photometry)
    each = torch.stack([one.flow(points, x) for one in both])
    torch.testing.assert_close(whole.flow(points, x), torch.logsumexp(each, dim=0) - np.log(2))


def test_what_is_learned_and_what_is_known_add_up() -> None:
    flow, (theta, photometry) = estimator(sees="both"), observed()
    tensors = as_tensors(photometry)
    points = torch.from_numpy(theta).float()
    learned = flow.learned(*flow.lesson(points, tensors))
    whole = flow.flow(points, flow.condition(photometry))
    torch.testing.assert_close(learned + flow.log_known(points, tensors), whole, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("scaled", [True, False])
def test_the_best_template_is_that_of_least_chi2(scaled: bool) -> None:
    theta, photometry = observed()
    prior = PRIOR if scaled else PRIOR.select(("log_age", "ebv"))
    scale = SCALE if scaled else Scale(given=SCALE.given)
    if not scaled:  # as bright as models of unit scale
        photometry = photometry._replace(flux=photometry.flux / 1e5, sigma=photometry.sigma / 1e5)
    eye = Templates(physics(), prior, scale, 0, 0)
    facts = eye(bare(as_tensors(photometry), scale.given))[:, -4:].detach()
    nodes = qmc.Sobol(2, scramble=False).random(TEMPLATES) + 0.5 / TEMPLATES
    fluxes = Toy()(physics().prior.from_unit(nodes)) * scale.factor(0.0, photometry.given)[:, None, None]
    signal = np.where(photometry.observed, photometry.flux / photometry.sigma, 0.0)[:, None]
    expected = np.where(photometry.observed, 1 / photometry.sigma, 0.0)[:, None] * fluxes
    across, length = (signal * expected).sum(axis=2), (expected**2).sum(axis=2)
    gain = np.maximum(across, 0) ** 2 / length if scaled else 2 * across - length
    best = gain.max(axis=1)
    np.testing.assert_allclose(facts[:, 1].numpy(), np.log1p(np.maximum(best, 0)) / 4, atol=1e-3)
    left = np.maximum((signal[:, 0] ** 2).sum(axis=1) - best, 0)
    np.testing.assert_allclose(facts[:, 2].numpy(), np.log1p(left), atol=2e-2, rtol=1e-3)
    np.testing.assert_allclose(facts[:, 3].numpy() * 5, photometry.observed.sum(axis=1))
    if scaled:
        rows, which = np.arange(len(theta)), gain.argmax(axis=1)
        size = np.log10(np.maximum(across[rows, which], 1e-6) / length[rows, which])
        bright = across[rows, which] > 1
        np.testing.assert_allclose(facts[bright, 0].numpy(), 2 * (size[bright] - 2) / 6 - 1, atol=1e-2)
