"""Properties of ensembles: those of any flow that apply to a mixture, and those of mixtures."""

import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from clusters import cluster_estimator, cluster_observer
from hpcflow.base.errors import InputError
from hpcflow.flow.checkpoint import load, save
from hpcflow.flow.ensemble import Ensemble
from hpcflow.flow.estimator import Estimator, as_tensors, combine
from hpcflow.flow.families import FAMILIES
from hpcflow.model.observe import Photometry
from hpcflow.model.prior import Parameter, Prior
from hpcflow.posterior.sampling import embedded, sample

torch.set_num_threads(1)

PRIOR = Prior((Parameter("log_age", 6, 10.1383), Parameter("log_mass", 2, 8)))
BANDS = ("U", "V", "I")
SMALL: dict[str, dict[str, Any]] = {
    "autoregressive": {"bins": 5, "hidden": 10, "rank": 4, "frequencies": 3, "embedding_hidden": 12},
    "cinn": {"blocks": 3, "hidden": 12, "layers": 1, "embedding": 5, "embedding_hidden": 12, "embedding_layers": 1},
}
families = pytest.mark.parametrize("family", FAMILIES)


def photometry(n: int = 40) -> Photometry:
    rng = np.random.default_rng(1)
    return cluster_observer(missing=0.2)(rng.lognormal(8, 1, (n, 3)), rng.uniform(3, 6, n), rng)


@cache
def trained(family: str, seed: int, features: str = "absolute") -> Estimator:
    """Return a small, briefly trained flow; its data shift with the seed, so that members disagree."""
    torch.manual_seed(seed)
    made = cluster_estimator(PRIOR, BANDS, features, {"family": family, **SMALL[family]})
    made.features.fit(as_tensors(photometry()))
    optimizer = torch.optim.Adam(made.flow.parameters(), 1e-2)
    for _ in range(60):
        x = torch.randn(256, made.features.size)
        z = 0.5 * x[:, :2] + 0.6 * torch.randn(256, 2) + 0.4 * (seed - 2)
        loss = -made.flow(made.flow.probit.inverse(z)[0], x).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(made.flow.parameters(), 5.0)
        optimizer.step()
    return made


def ensemble(family: str, count: int = 3) -> Estimator:
    """Return the ensemble of the estimators with seeds 1 to count."""
    return combine([trained(family, seed) for seed in range(1, count + 1)])


def given(of: Estimator, clusters: int, n: int) -> tuple[Tensor, Tensor]:
    """Return features (N, F) and noise (N, n, D)."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn((clusters, of.features.size), generator=generator)
    return x, torch.randn((clusters, n, 2), generator=generator).clamp(-3, 3)


@families
def test_the_density_is_the_mean_of_the_members(family: str) -> None:
    whole = ensemble(family)
    x, noise = given(whole, 4, 30)
    theta = trained(family, 1).flow.transform(noise, x)[0]
    each = torch.stack([trained(family, seed).flow.log_prob(theta, x) for seed in (1, 2, 3)])
    torch.testing.assert_close(whole.flow.log_prob(theta, x).exp(), each.exp().mean(dim=0), rtol=1e-4, atol=1e-6)
    assert each.std(dim=0).max() > 0.1, "members that agree would pass as well"


@families
@pytest.mark.parametrize("n", [1, 2, 3, 7, 9])
def test_members_take_turns_in_drawing_samples(family: str, n: int) -> None:
    whole = ensemble(family)
    x, noise = given(whole, 2, n)
    theta, log_q = whole.flow.transform(noise, x)
    assert theta.shape == (2, n, 2)
    assert log_q.shape == (2, n)
    for i in range(n):
        alone, _ = trained(family, 1 + i % 3).flow.transform(noise[:, i : i + 1], x)
        torch.testing.assert_close(theta[:, i : i + 1], alone, rtol=1e-5, atol=1e-5)


@families
def test_the_density_returned_with_a_sample_is_the_mixtures(family: str) -> None:
    whole = ensemble(family)
    x, noise = given(whole, 4, 200)
    theta, log_q = whole.flow.transform(noise, x)
    again = whole.flow.log_prob(theta, x)
    torch.testing.assert_close(whole.flow(theta[:, 3], x), again[:, 3], rtol=1e-4, atol=1e-4)
    # away from the bounds, where float32 parameters become too coarse in z
    away = (torch.from_numpy(PRIOR.to_latent(theta.detach().double().numpy())).abs() < 2.5).all(dim=-1)
    assert away.float().mean() > 0.5
    torch.testing.assert_close(log_q[away], again[away], rtol=2e-3, atol=2e-3)
    own = trained(family, 1).flow.transform(noise[:, ::3], x)[1]
    assert (log_q[:, ::3] - own).abs().max() > 0.1, "it is not the density of the member that drew it"


@families
def test_the_density_integrates_to_one_over_the_prior(family: str) -> None:
    flow = ensemble(family).flow
    x = given(ensemble(family), 1, 1)[0]
    edges = [torch.linspace(p.low, p.high, 501, dtype=torch.float64) for p in PRIOR.parameters]
    middle = [(e[1:] + e[:-1]) / 2 for e in edges]
    theta = torch.cartesian_prod(*middle)[None].float()
    cell = math.prod(float(e[1] - e[0]) for e in edges)
    with torch.no_grad():
        assert flow.log_prob(theta, x).double().exp().sum().item() * cell == pytest.approx(1.0, abs=0.01)


@families
def test_samples_follow_the_density(family: str) -> None:
    flow = ensemble(family).flow
    x = given(ensemble(family), 1, 1)[0]
    with torch.no_grad():
        noise = torch.randn((1, 20_000, 2), generator=torch.Generator().manual_seed(4))
        sampled, log_q = flow.transform(noise, x)
        drawn = torch.from_numpy(PRIOR.sample(40_000, np.random.default_rng(6))).float()
        weight = flow.log_prob(drawn[None], x)[0].double().exp()
        # E[1/q] over the samples is the volume of the prior; a wrong density would miss it
        inside = (torch.from_numpy(PRIOR.to_latent(sampled[0].double().numpy())).abs() < 1).all(dim=-1)
    low, high = PRIOR.from_latent(np.array([[-1.0, -1.0], [1.0, 1.0]]))
    inverse = torch.where(inside, (-log_q[0].double()).exp(), 0.0)
    error = inverse.std().item() / 20_000**0.5
    assert inverse.mean().item() == pytest.approx(float(np.prod(high - low)), abs=5 * error)
    for column in range(2):
        there = (weight * drawn[:, column]).mean() / weight.mean()
        spread = sampled[0, :, column].std() / 20_000**0.5
        error = ((weight * (drawn[:, column] - there)).std() / weight.mean() / 40_000**0.5).item()
        assert sampled[0, :, column].mean().item() == pytest.approx(there.item(), abs=5 * (spread.item() + error))


@families
def test_the_first_samples_come_from_all_members(family: str) -> None:
    # the archive keeps the first samples only
    flow = ensemble(family).flow
    x = given(ensemble(family), 1, 1)[0]
    noise = torch.randn((1, 6000, 2), generator=torch.Generator().manual_seed(2))
    theta, log_q = (a[0] for a in sample(flow, embedded(flow, x[:1]), noise))
    first, last = theta[:600], theta[600:]
    error = (first.var(dim=0) / len(first) + last.var(dim=0) / len(last)).sqrt()
    assert ((first.mean(dim=0) - last.mean(dim=0)).abs() < 5 * error).all()
    one, three = theta[::3].mean(dim=0), theta[2::3].mean(dim=0)
    assert ((one - three).abs() > 10 * error).any(), "members that agree would pass as well"
    assert torch.isfinite(log_q).all()


@families
def test_samples_lie_inside_the_bounds(family: str) -> None:
    flow = ensemble(family).flow
    x = given(ensemble(family), 5, 1)[0]
    theta = flow.sample(3 * x, 1000, torch.Generator().manual_seed(3)).double()
    low, high = torch.from_numpy(PRIOR.low), torch.from_numpy(PRIOR.high)
    assert (theta >= low - 1e-6).all()
    assert (theta <= high + 1e-6).all()
    assert torch.isfinite(flow(torch.from_numpy(np.stack([PRIOR.low, PRIOR.high])).float(), x[:2])).all()


@families
def test_gradient_reaches_every_parameter_of_every_member(family: str) -> None:
    whole = ensemble(family)
    x, noise = given(whole, 32, 1)
    theta = whole.flow.transform(noise, x)[0].detach()
    whole.flow(theta[:, 0], x).sum().backward()
    names = {name.split(".")[1] for name, p in whole.flow.named_parameters() if p.requires_grad}
    assert names == {"0", "1", "2"}
    for name, parameter in whole.flow.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert (parameter.grad != 0).any(), name


@families
def test_gradient_passes_through_samples(family: str) -> None:
    whole = ensemble(family)
    x, noise = given(whole, 4, 6)
    whole.flow.transform(noise, x)[0].sum().backward()
    assert all(
        any(p.grad is not None and (p.grad != 0).any() for p in member.parameters())
        for member in whole.flow.members  # type: ignore[union-attr]
    )


@families
def test_a_saved_ensemble_is_loaded_unchanged(family: str, tmp_path: Path) -> None:
    whole = ensemble(family)
    save(whole, tmp_path / "flow", {})
    found = load(tmp_path / "flow")
    assert found.settings["flow"]["members"] == 3
    x, noise = given(whole, 4, 10)
    for one, two in zip(whole.flow.transform(noise, x), found.flow.transform(noise, x), strict=True):
        assert torch.equal(one, two)


def test_members_start_from_different_weights() -> None:
    flow = cluster_estimator(PRIOR, BANDS, "absolute", {"family": "cinn", **SMALL["cinn"], "members": 2}).flow
    assert isinstance(flow, Ensemble)
    one, two = (dict(member.named_parameters()) for member in flow.members)
    assert any(not torch.equal(one[name], two[name]) for name in one)


def test_one_member_is_the_plain_flow() -> None:
    plain, one = (
        cluster_estimator(PRIOR, BANDS, "absolute", {"family": "cinn", **SMALL["cinn"], **more})
        for more in ({}, {"members": 1})
    )
    assert type(plain.flow) is type(one.flow) is FAMILIES["cinn"]
    assert plain.settings == one.settings == combine([one]).settings
    assert plain.state_dict().keys() == one.state_dict().keys()
    assert type(combine([plain]).flow) is FAMILIES["cinn"]


def test_combining_copies() -> None:
    parts = [trained("cinn", 1), trained("cinn", 2)]
    whole = combine(parts)
    before = [p.clone() for p in parts[0].parameters()]
    with torch.no_grad():
        for parameter in whole.parameters():
            parameter.add_(1.0)
    assert all(torch.equal(p, q) for p, q in zip(before, parts[0].parameters(), strict=True))


@pytest.mark.parametrize("members", [0, -1])
def test_an_ensemble_has_at_least_one_member(members: int) -> None:
    with pytest.raises(InputError, match=r"train\.members"):
        cluster_estimator(PRIOR, BANDS, "absolute", {"family": "cinn", "members": members})


def refit(of: Estimator, n: int) -> Estimator:
    other = combine([of])
    other.features.fit(as_tensors(photometry(n)))
    return other


def test_flows_of_different_models_are_not_combined() -> None:
    first = trained("cinn", 1)
    turned = cluster_estimator(
        PRIOR.select(["log_mass", "log_age"]), ("I", "V", "U"), "absolute", first.settings["flow"]
    )
    for other, says in (
        (trained("autoregressive", 1), "differ in their settings;"),
        (trained("cinn", 1, "paper"), "differ in their settings and features"),
        (refit(first, 30), "flows 1 and 2 of an ensemble differ in their features;"),
        (turned, "priors and bands"),
    ):
        with pytest.raises(InputError, match=says):
            combine([first, other])
    with pytest.raises(InputError, match="train at least one"):
        combine([])
    with pytest.raises(InputError, match="already"):
        combine([ensemble("cinn"), ensemble("cinn")])
