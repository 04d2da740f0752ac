"""Properties of every family of flows."""

import copy
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hpcflow.flow.base import Flow, perceptron
from hpcflow.flow.families import FAMILIES
from hpcflow.model.prior import Parameter, Prior

torch.set_num_threads(1)

FEATURES = 4
PRIORS = {
    "mass age dust": Prior(
        (Parameter("log_mass", 2, 8), Parameter("log_age", 6, 10.1383), Parameter("ebv", 0, 1.5)),
    ),
    "two": Prior((Parameter("log_age", 6, 10.1383), Parameter("log_mass", 2, 8))),
    "log scale": Prior(
        (
            Parameter("log_age", 6, 10.1383),
            Parameter("r_v", 1.5, 6.0, scale="log"),
            Parameter("ebv", 0, 1.5),
            Parameter("log_mass", 2, 8),
        )
    ),
}
SMALL_AUTOREGRESSIVE: dict[str, Any] = {
    "bins": 5,
    "hidden": 10,
    "layers": 2,
    "rank": 4,
    "frequencies": 3,
    "embedding_hidden": 12,
    "embedding_layers": 1,
}
SMALL: dict[str, dict[str, Any]] = {
    "autoregressive": SMALL_AUTOREGRESSIVE,
    "autoregressive between nodes": SMALL_AUTOREGRESSIVE | {"nodes": 12},
    "cinn": {"blocks": 3, "hidden": 12, "layers": 1, "embedding": 5, "embedding_hidden": 12, "embedding_layers": 1},
}
families = pytest.mark.parametrize("family", SMALL)
priors = pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS.keys())


def trained(flow: Flow) -> dict[str, Tensor]:
    """Return the trainable parameters; FrEIA keeps its permutations as parameters too."""
    return {name: p for name, p in flow.named_parameters() if p.requires_grad}


@cache
def fitted(family: str, which: str, seed: int) -> Flow:
    """Return a small, briefly trained flow, because no family starts inside the prior by itself."""
    torch.manual_seed(seed)
    prior, options = PRIORS[which], dict(SMALL[family])
    name = family.split()[0]
    if name == "autoregressive":
        options["order"] = sorted(prior.names)
    flow = FAMILIES[name](prior, FEATURES, **options)
    optimizer = torch.optim.Adam(trained(flow).values(), 1e-2)
    for _ in range(80):
        x = torch.randn(256, FEATURES)
        z = 0.5 * x[:, : flow.dim] + 0.6 * torch.randn(256, flow.dim) + 0.3 * x[:, -1:] ** 2 - 0.3
        loss = -flow(flow.probit.inverse(z)[0], x).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
        optimizer.step()
    return flow


def built(family: str, prior: Prior, seed: int = 0, rough: float = 0.02) -> Flow:
    """Return a new flow with every weight moved a little."""
    (which,) = (name for name, p in PRIORS.items() if p is prior)
    flow = copy.deepcopy(fitted(family, which, seed))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in trained(flow).values():
            parameter.add_(rough * torch.randn(parameter.shape, generator=generator))
            parameter.grad = None
    return flow


def given(clusters: int, n: int, prior: Prior, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Return features (N, F) and noise (N, n, D)."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn((clusters, FEATURES), generator=generator)
    return x, torch.randn((clusters, n, len(prior.parameters)), generator=generator).clamp(-3, 3)


def test_every_family_is_tested() -> None:
    assert {name.split()[0] for name in SMALL} == set(FAMILIES)


@families
@priors
def test_shapes(family: str, prior: Prior) -> None:
    flow, dim = built(family, prior), len(prior.parameters)
    x, noise = given(3, 7, prior)
    theta, log_q = flow.transform(noise, x)
    assert theta.shape == (3, 7, dim)
    assert log_q.shape == (3, 7)
    assert flow.log_prob(theta, x).shape == (3, 7)
    assert flow(theta[:, 0], x).shape == (3,)
    assert flow.sample(x, 5).shape == (3, 5, dim)
    assert flow.dim == dim


@families
@priors
def test_noise_survives_the_round_trip(family: str, prior: Prior) -> None:
    flow = built(family, prior).double()
    x, noise = (a.double() for a in given(4, 50, prior))
    context = flow.embed(x)
    z, down = flow.from_noise(noise, context)
    back, up = flow.to_noise(z, context)
    torch.testing.assert_close(back, noise, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(up, down, rtol=1e-6, atol=1e-6)
    assert not torch.allclose(z, noise, atol=1e-2), "the identity would pass as well"


@families
@priors
def test_the_density_returned_with_a_sample_is_the_density_there(family: str, prior: Prior) -> None:
    flow = built(family, prior)
    x, noise = given(4, 200, prior)
    theta, log_q = flow.transform(noise, x)
    again = flow.log_prob(theta, x)
    torch.testing.assert_close(flow(theta[:, 3], x), again[:, 3], rtol=1e-4, atol=1e-4)
    # away from the bounds, where float32 parameters become too coarse in z
    z = torch.from_numpy(prior.to_latent(theta.detach().double().numpy()))
    away = (z.abs() < 2.5).all(dim=-1)
    assert away.float().mean() > 0.5
    torch.testing.assert_close(log_q[away], again[away], rtol=2e-3, atol=2e-3)


@families
@priors
def test_the_jacobian_is_that_of_autograd(family: str, prior: Prior) -> None:
    flow = built(family, prior).double()
    x, noise = (a.double() for a in given(1, 6, prior))

    def one(z: Tensor) -> Tensor:
        return flow.to_noise(z[None, None], flow.embed(x))[0][0, 0]

    z, log_slope = flow.from_noise(noise, flow.embed(x))
    for i in range(6):
        jacobian = torch.autograd.functional.jacobian(one, z[0, i].detach())
        assert torch.linalg.slogdet(jacobian).logabsdet.item() == pytest.approx(log_slope[0, i].item(), abs=1e-6)


@families
@priors
def test_the_density_in_declared_units_is_that_of_autograd(family: str, prior: Prior) -> None:
    flow = built(family, prior).double()
    x, noise = (a.double() for a in given(1, 4, prior))

    def to_theta(point: Tensor) -> Tensor:
        return flow.transform(point[None, None], x)[0][0, 0]

    _, log_q = flow.transform(noise, x)
    for i in range(4):
        jacobian = torch.autograd.functional.jacobian(to_theta, noise[0, i])
        normal = torch.distributions.Normal(0.0, 1.0).log_prob(noise[0, i]).sum()
        expected = normal - torch.linalg.slogdet(jacobian).logabsdet
        assert log_q[0, i].item() == pytest.approx(expected.item(), abs=1e-5)


@families
def test_the_density_integrates_to_one_over_the_prior(family: str) -> None:
    prior = PRIORS["two"]
    flow = built(family, prior).double()
    x = given(1, 1, prior)[0].double()
    # midpoints in the latent space, evenly spaced in the standard normal measure
    from_latent = np.linspace(-6, 6, 601)[:-1] + 0.01
    z = torch.from_numpy(np.stack(np.meshgrid(from_latent, from_latent), axis=-1).reshape(1, -1, 2))
    with torch.no_grad():
        noise, log_slope = flow.to_noise(z, flow.embed(x))
    density = torch.exp(-(noise**2).sum(-1) / 2 + log_slope) / (2 * np.pi)
    assert density.sum().item() * 0.02**2 == pytest.approx(1.0, abs=0.01)


@families
@priors
def test_the_density_in_declared_units_integrates_to_one(family: str, prior: Prior) -> None:
    flow = built(family, prior, rough=0.0)
    x = given(1, 1, prior)[0]
    # by importance sampling from a prior that is a little wider in z than the flow is likely to be
    rng = np.random.default_rng(5)
    z = 1.3 * rng.standard_normal((60_000, len(prior.parameters)))
    theta = prior.from_latent(z)
    proposal = prior.log_prob(theta) + (-(z**2) / 2 / 1.3**2 + z**2 / 2 - np.log(1.3)).sum(axis=1)
    with torch.no_grad():
        log_q = flow.log_prob(torch.from_numpy(theta).float()[None], x)[0].double().numpy()
    weight = np.exp(log_q - proposal)
    error = weight.std() / np.sqrt(len(weight))
    assert error < 0.1
    assert weight.mean() == pytest.approx(1.0, abs=5 * error)


@families
@priors
def test_gradient_reaches_every_parameter(family: str, prior: Prior) -> None:
    flow = built(family, prior)
    x, noise = given(32, 1, prior)
    theta = flow.transform(noise, x)[0].detach()
    flow(theta[:, 0], x).sum().backward()
    for name, parameter in trained(flow).items():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert (parameter.grad != 0).any(), name


@families
@priors
def test_samples_lie_inside_the_bounds(family: str, prior: Prior) -> None:
    flow = built(family, prior, rough=0.3)
    x, _ = given(5, 1, prior)
    theta = flow.sample(3 * x, 2000, torch.Generator().manual_seed(3)).double()
    low, high = torch.from_numpy(prior.low), torch.from_numpy(prior.high)
    rounding = 1e-7 * torch.maximum(low.abs(), high.abs())  # for bounds that are not exact in float32
    assert (theta >= low - rounding).all()
    assert (theta <= high + rounding).all()


@families
@priors
def test_the_density_is_finite_on_the_bounds(family: str, prior: Prior) -> None:
    flow = built(family, prior)
    x, _ = given(2, 1, prior)
    theta = torch.from_numpy(np.stack([prior.low, prior.high])).float()
    assert torch.isfinite(flow(theta, x)).all()


@families
@priors
def test_a_cluster_does_not_depend_on_its_neighbours(family: str, prior: Prior) -> None:
    flow = built(family, prior).eval()
    x, noise = given(4, 64, prior)
    other_x, other_noise = given(4, 64, prior, seed=2)
    with torch.inference_mode():
        theta, log_q = flow.transform(noise, x)
        mixed_x, mixed_noise = torch.cat([x[:1], other_x[1:]]), torch.cat([noise[:1], other_noise[1:]])
        same_shape = flow.transform(mixed_noise, mixed_x)
        alone = flow.transform(noise[:1], x[:1])
    # tiles of one shape round the same way
    assert torch.equal(same_shape[0][0], theta[0])
    assert torch.equal(same_shape[1][0], log_q[0])
    torch.testing.assert_close(alone[0][0], theta[0], rtol=1e-4, atol=1e-4)


@families
@priors
def test_the_condition_matters(family: str, prior: Prior) -> None:
    flow = built(family, prior)
    x, noise = given(2, 20, prior)
    theta, _ = flow.transform(noise[:1].expand(2, -1, -1), x)
    assert not torch.allclose(theta[0], theta[1], atol=1e-3)


@families
@priors
def test_a_flow_is_determined_by_its_weights(family: str, prior: Prior) -> None:
    one, other = built(family, prior), built(family, prior, rough=0.1)
    x, noise = given(2, 10, prior)
    assert not torch.equal(one.transform(noise, x)[0], other.transform(noise, x)[0])
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    assert torch.equal(one.transform(noise, x)[0], other.transform(noise, x)[0])


@families
def test_the_same_generator_gives_the_same_samples(family: str) -> None:
    prior = PRIORS["mass age dust"]
    flow = built(family, prior)
    x, _ = given(2, 1, prior)
    one, two, other = (flow.sample(x, 5, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


@families
def test_samples_follow_the_density(family: str) -> None:
    # E[g] under samples is the integral of g q: here the mean of the first parameter.
    prior = PRIORS["two"]
    flow = built(family, prior)
    x, _ = given(1, 1, prior)
    with torch.no_grad():
        sampled = flow.sample(x, 20_000, torch.Generator().manual_seed(4))[0].double()
        drawn = torch.from_numpy(prior.sample(40_000, np.random.default_rng(6))).float()
        weight = flow.log_prob(drawn[None], x)[0].double().exp() * float(np.prod(prior.high - prior.low))
    for column in range(2):
        there = (weight * drawn[:, column]).mean() / weight.mean()
        spread = sampled[:, column].std() / 20_000**0.5
        error = (weight * (drawn[:, column] - there)).std() / 40_000**0.5
        assert sampled[:, column].mean().item() == pytest.approx(there.item(), abs=5 * (spread + error).item())


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_a_perceptron_has_as_many_hidden_layers_as_asked(layers: int) -> None:
    network = perceptron(3, 2, 8, layers)
    assert [m.out_features for m in network if isinstance(m, torch.nn.Linear)] == [8] * layers + [2]
    assert network(torch.zeros(5, 3)).shape == (5, 2)
