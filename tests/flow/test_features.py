from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from clusters import distance
from hpcflow.flow.features import FEATURES, Features
from hpcflow.model.observe import Photometry
from hpcflow.sources.cluster.parameters import SCALE

torch.set_num_threads(1)


def features_of(kind: str) -> Callable[[Photometry], Tensor]:
    return lambda seen: FEATURES[kind](seen, SCALE.given)


kinds = pytest.mark.parametrize("kind", FEATURES)


def photometry(n: int = 200, bands: int = 5, lost: float = 0.3) -> Photometry:
    generator = torch.Generator().manual_seed(bands)
    flux = 10 ** (-4 + 2 * torch.rand((n, bands), generator=generator))
    sigma = flux * (0.02 + 0.4 * torch.rand((n, bands), generator=generator))
    observed = torch.rand((n, bands), generator=generator) > lost
    observed[:, :2] = True
    return Photometry(flux, sigma, observed, 1 + 29 * torch.rand((n, 1), generator=generator))


def with_junk(seen: Photometry, junk: float) -> Photometry:
    flux, sigma = (torch.where(seen.observed, a, junk) for a in seen[:2])
    return seen._replace(flux=flux, sigma=sigma)


def hardly_detected() -> Photometry:
    """Return photometry with mostly undetected bands, half of them below zero, and some clusters without any band."""
    seen = photometry()
    noise = torch.randn(seen.flux.shape, generator=torch.Generator().manual_seed(1))
    sigma = seen.flux * 10 ** (4 * torch.rand(seen.flux.shape, generator=torch.Generator().manual_seed(2)) - 1)
    sigma[:20] = 1e4 * seen.flux[:20]
    return seen._replace(flux=seen.flux + sigma * noise, sigma=sigma)


distance_free = pytest.mark.parametrize(
    ("kind", "seen"), [("absolute", photometry()), ("asinh", photometry()), ("asinh", hardly_detected())]
)


def test_the_paper_has_eleven_inputs_for_five_bands() -> None:
    seen = photometry(lost=0.0)
    x = features_of("paper")(seen)
    assert x.shape == (200, 11)
    torch.testing.assert_close(x[:, :5], seen.flux.log10())
    torch.testing.assert_close(x[:, 5:10], seen.sigma / seen.flux)
    torch.testing.assert_close(x[:, 10], distance(seen))


@kinds
@pytest.mark.parametrize("bands", [2, 3, 5, 7])
def test_the_size_is_that_of_the_features(kind: str, bands: int) -> None:
    features = Features(kind, bands, SCALE.given)
    assert features(photometry(20, bands)).shape == (20, features.size)


@distance_free
def test_absolute_features_depend_on_flux_times_distance_squared_only(kind: str, seen: Photometry) -> None:
    near = features_of(kind)(seen)
    for factor in (0.1, 7.0):
        far = Photometry(seen.flux / factor**2, seen.sigma / factor**2, seen.observed, seen.given * factor)
        torch.testing.assert_close(features_of(kind)(far), near, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(features_of(kind)(seen._replace(given=2 * seen.given)), near, atol=1e-2)


@distance_free
def test_absolute_colours_do_not_change_with_mass(kind: str, seen: Photometry) -> None:
    heavy = Photometry(100 * seen.flux, 100 * seen.sigma, seen.observed, seen.given)
    light, bright = features_of(kind)(seen), features_of(kind)(heavy)
    torch.testing.assert_close(bright[:, 0], light[:, 0] + 2)
    torch.testing.assert_close(bright[:, 1:], light[:, 1:], rtol=1e-5, atol=1e-5)


@kinds
@pytest.mark.parametrize("junk", [float("nan"), float("inf"), -1.0, 0.0, 1e30])
def test_the_numbers_of_a_missing_band_are_ignored(kind: str, junk: float) -> None:
    seen = photometry()
    assert not seen.observed.all()
    x, other = features_of(kind)(seen), features_of(kind)(with_junk(seen, junk))
    assert torch.isfinite(other).all()
    assert torch.equal(x, other)


@distance_free
def test_absolute_features_of_a_missing_band_are_zero(kind: str, seen: Photometry) -> None:
    seen = with_junk(seen, float("nan"))
    blocks = features_of(kind)(seen)[:, 1:].unflatten(1, (4, 5))
    assert (blocks.movedim(1, -1)[~seen.observed] == 0).all()
    assert torch.equal(blocks[:, 3], seen.observed.float())
    assert (blocks[:, 1:].movedim(1, -1)[seen.observed] != 0).all()


def test_asinh_features_of_detected_bands_are_the_absolute_ones() -> None:
    seen = photometry()
    seen = seen._replace(sigma=0.01 * seen.sigma)
    mean, colour, error, minus_log_error, observed = features_of("asinh")(seen).split([1, 5, 5, 5, 5], dim=1)
    found = torch.cat([mean, colour, error, -minus_log_error, observed], dim=1)
    torch.testing.assert_close(found, features_of("absolute")(seen), rtol=1e-4, atol=1e-4)


def test_asinh_features_are_monotonic_and_smooth_down_to_negative_fluxes() -> None:
    flux = torch.linspace(-5, 5, 101)[:, None] * torch.tensor([[1.0, 0.0, 0.0]]) + torch.tensor([[0.0, 50.0, 20.0]])
    seen = Photometry(flux, torch.ones_like(flux), torch.ones_like(flux, dtype=torch.bool), torch.ones(101, 1))
    x = features_of("asinh")(seen)
    assert torch.isfinite(x).all()
    assert (x[:, 7].diff() > 0).all()  # the first band's asinh
    assert x.diff(dim=0).abs().max() < 0.1  # a tenth of an error moves no feature by more


def test_a_lost_band_changes_only_the_mean_in_the_features_of_others() -> None:
    seen = photometry(lost=0.0)
    observed = seen.observed.clone()
    observed[:, 4] = False
    less, whole = features_of("absolute")(seen._replace(observed=observed)), features_of("absolute")(seen)

    def luminosity(x: Tensor) -> Tensor:
        return x[:, :1] + x[:, 1:5]

    torch.testing.assert_close(luminosity(less), luminosity(whole), rtol=1e-5, atol=1e-5)


@kinds
def test_features_are_standardised_by_what_they_were_fitted_on(kind: str) -> None:
    features, seen = Features(kind, 5, SCALE.given), photometry(5000)
    features.fit(seen)
    x = features(seen)
    torch.testing.assert_close(x.mean(dim=0), torch.zeros(features.size), rtol=0, atol=1e-3)
    spread = x.std(dim=0)
    constant = features_of(kind)(seen).std(dim=0) < 1e-6
    torch.testing.assert_close(spread[~constant], torch.ones_like(spread[~constant]), rtol=0, atol=1e-3)
    assert (x[:, constant].abs() < 1e-5).all()
    assert torch.isfinite(x).all()


@kinds
def test_the_fit_is_kept_in_the_state(kind: str) -> None:
    one, other = Features(kind, 5, SCALE.given), Features(kind, 5, SCALE.given)
    one.fit(photometry(500))
    other.load_state_dict(one.state_dict())
    seen = photometry(20)
    assert torch.equal(one(seen), other(seen))
    assert not torch.equal(one(seen), Features(kind, 5, SCALE.given)(seen))


@kinds
def test_a_cluster_does_not_depend_on_its_neighbours(kind: str) -> None:
    features, seen = Features(kind, 5, SCALE.given), photometry()
    alone = features(Photometry(*(a[7:8] for a in seen)))
    assert torch.equal(features(seen)[7:8], alone)


@kinds
def test_absurd_errors_stay_finite(kind: str) -> None:
    seen = photometry(4)
    sigma = seen.sigma.clone()
    sigma[0], sigma[1] = 0.0, 1e30
    assert torch.isfinite(features_of(kind)(seen._replace(sigma=sigma))).all()


@pytest.mark.parametrize("flux", [-1e30, -1.0, 0.0, 1e-30, 1e30])
@pytest.mark.parametrize("sigma", [0.0, 1e-30, 1.0, 1e30])
def test_asinh_features_stay_finite_for_any_flux_and_error(flux: float, sigma: float) -> None:
    seen = photometry(4)
    seen = seen._replace(flux=torch.full_like(seen.flux, flux), sigma=torch.full_like(seen.sigma, sigma))
    assert torch.isfinite(features_of("asinh")(seen)).all()
