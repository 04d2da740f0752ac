import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from clusters import cluster_observer, distance
from hpcflow.base.errors import InputError
from hpcflow.model.observe import Photometry
from hpcflow.model.prior import Parameter, Prior
from hpcflow.model.signal_to_noise import SignalToNoise
from hpcflow.posterior.likelihood import LAWS, Likelihood

PRIOR = Prior((Parameter("log_age", 6, 10.0), Parameter("log_mass", 2, 8), Parameter("ebv", 0, 1.5)))
laws = pytest.mark.parametrize("noise", LAWS)


class Toy:
    """Clusters that fade with age and redden with dust."""

    parameters, bands, provenance = ("log_age", "ebv"), ("U", "V", "I"), {}

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        age, ebv = theta.T[..., None]
        slope = np.array([1.0, 0.6, 0.4])
        return 10 ** (5 - slope * (age - 6) - 0.4 * ebv * np.array([5.0, 3.0, 2.0]))


def likelihood(noise: str = "lognormal", error: tuple[float, float] = (0.05, 0.5)) -> Likelihood:
    return Likelihood(Toy(), PRIOR, cluster_observer(noise=noise, relative_error=error))


@laws
def test_the_density_of_flux_and_error_adds_up_to_one(noise: str) -> None:
    made, true = likelihood(noise), 3.0
    # over all sigma, whose relative errors are uniform, or uniform in the log if noise is normal, and over all fluxes
    sigma = true * np.geomspace(made.errors.low, made.errors.high, 801)
    over_flux = []
    for s in sigma:
        found = quad(
            lambda flux, s=s: float(np.exp(made.band(np.log(true), np.array(flux), np.array(s)))),
            1e-9 if noise == "lognormal" else true - 12 * s,
            true + 12 * s,
            points=[true],
            limit=200,
        )[0]
        over_flux.append(found)
    assert np.trapezoid(over_flux, sigma) == pytest.approx(1, abs=1e-3)


def test_with_log_uniform_errors_the_likelihood_is_the_noise_density() -> None:
    made = Likelihood(Toy(), PRIOR, cluster_observer("normal", (0.05, 0.5), undetected=0.2))
    log_f, flux, sigma = np.log(np.array([1e-2, 1.0, 9.0])), np.array(-0.4), np.array(1.0)
    found = made.band(log_f, flux, sigma)
    np.testing.assert_allclose(np.diff(found), np.diff(stats.norm.logpdf(flux, np.exp(log_f), sigma)))
    assert np.isinf(made.band(np.log(np.array([0.9e-4, 28.1])), flux, sigma)).all()


@pytest.mark.parametrize("errors", ["linear", "log"])
def test_the_density_agrees_with_the_observers_draws(errors: str) -> None:
    n, rng = 200_000, np.random.default_rng(1)
    observer = cluster_observer("lognormal", (0.05, 0.5), distance_mpc=(9.99, 10.01), relative_error_scale=errors)
    photometry = observer(np.full((n, 1), 1e4), np.full(n, 4.0), rng)
    made, true = Likelihood(Toy(), PRIOR, observer), 1e4 * 1e4 * 1e-12
    inside = (np.abs(photometry.flux / true - 1.1) < 0.1) & (np.abs(photometry.sigma / true - 0.2) < 0.05)
    flux, sigma = np.meshgrid(true * np.linspace(1.0, 1.2, 101), true * np.linspace(0.15, 0.25, 101))
    density = np.exp(made.band(np.log(true), flux, sigma))
    wanted = np.trapezoid(np.trapezoid(density, flux[0], axis=1), sigma[:, 0])
    share = inside.mean()
    assert share == pytest.approx(wanted, abs=4 * np.sqrt(share / n) + 3e-3 * wanted)


def test_with_normal_noise_the_density_agrees_with_the_draws_but_for_a_factor_of_what_is_listed() -> None:
    # The densities of one listed flux and error, given two true fluxes, are as frequent as the likelihood says.
    n, rng = 2_000_000, np.random.default_rng(1)
    observer = cluster_observer("normal", (0.05, 0.5), undetected=0.3)
    made, seen = Likelihood(Toy(), PRIOR, observer), {}
    for true in (1.0, 1.3):
        listed, real = SignalToNoise(*observer.relative_error, observer.undetected).draw(rng.random((n, 3)))
        sigma = true / real[:, 0]
        flux = listed[:, 0] * sigma
        seen[true] = int(((np.abs(flux - 1.1) < 0.05) & (np.abs(sigma - 0.25) < 0.02)).sum())
    flux, sigma = np.meshgrid(np.linspace(1.05, 1.15, 21), np.linspace(0.23, 0.27, 21))
    wanted = [np.exp(made.band(np.log(np.array(true)), flux, sigma)).mean() for true in seen]
    assert min(seen.values()) > 3000
    assert seen[1.3] / seen[1.0] == pytest.approx(wanted[1] / wanted[0], rel=0.08)


@laws
def test_slope_and_information_agree_with_the_density(noise: str) -> None:
    law, h = LAWS[noise], 1e-5
    rng = np.random.default_rng(2)
    flux, sigma = rng.uniform(1, 3, 50), rng.uniform(0.1, 0.6, 50)
    log_f = np.log(flux) + rng.normal(0, 0.2, 50)
    slope, _ = law.slope(log_f, flux, sigma)
    up, down = law.log_density(log_f + h, flux, sigma), law.log_density(log_f - h, flux, sigma)
    np.testing.assert_allclose(slope, (up - down) / (2 * h), rtol=1e-5, atol=1e-5)


@laws
def test_the_information_is_the_slope_of_the_pull_where_the_pull_is_zero(noise: str) -> None:
    law, h = LAWS[noise], 1e-5
    log_f, sigma = np.linspace(-0.5, 0.5, 20), 0.4
    variance = np.log1p((sigma * np.exp(-log_f)) ** 2)
    flux = np.exp(log_f - variance / 2) if noise == "lognormal" else np.exp(log_f)
    np.testing.assert_allclose(law.pull(log_f, flux, sigma), 0, atol=1e-12)
    slope = (law.pull(log_f + h, flux, sigma) - law.pull(log_f - h, flux, sigma)) / (2 * h)
    np.testing.assert_allclose(law.slope(log_f, flux, sigma)[1], slope**2, rtol=1e-6)


def test_the_lognormal_agrees_with_scipy() -> None:
    flux, true, sigma = 2.3, 2.0, 0.5
    variance = np.log1p((sigma / true) ** 2)
    wanted = stats.lognorm.logpdf(flux, np.sqrt(variance), scale=true * np.exp(-variance / 2))
    assert LAWS["lognormal"].log_density(np.log(true), np.array(flux), np.array(sigma)) == pytest.approx(wanted)


def test_points_outside_the_range_of_errors_are_impossible() -> None:
    made = likelihood(error=(0.1, 0.5))
    log_f = np.log(np.array([0.5, 1.5, 3.0, 15.0]))
    found = made.band(log_f, np.array(1.0), np.array(0.6))
    assert np.isinf(found).tolist() == [True, False, False, True]
    smooth = made.band(log_f, np.array(1.0), np.array(0.6), edges=False)
    assert np.isfinite(smooth).all()
    assert (smooth[1:3] == found[1:3]).all()


def test_missing_bands_are_ignored_and_distance_is_used() -> None:
    made, rng = likelihood(), np.random.default_rng(3)
    theta = PRIOR.sample(20, rng)
    photometry = cluster_observer(relative_error=(0.05, 0.5))(Toy()(theta[:, [0, 2]]), theta[:, 1], rng)
    observed = photometry.observed.copy()
    observed[:, 1] = False
    junk = photometry.flux.copy()
    junk[:, 1] = np.nan
    masked = made(theta[:, None], Photometry(junk, photometry.sigma, observed, photometry.given))
    whole = made(theta[:, None], photometry)
    true = Toy()(theta[:, [0, 2]]) * (10 ** theta[:, 1] * (1e-5 / distance(photometry)) ** 2)[:, None]
    second = made.band(np.log(true), photometry.flux, photometry.sigma)[:, 1]
    np.testing.assert_allclose(whole[:, 0] - second, masked[:, 0], rtol=1e-9)
    assert np.isfinite(masked).all()


def test_models_that_are_not_tractable_are_refused() -> None:
    more = Prior((*PRIOR.parameters, Parameter("r_v", 2, 5)))
    with pytest.raises(InputError, match="not tractable"):
        Likelihood(Toy(), more, cluster_observer())
    with pytest.raises(InputError, match="no width"):
        likelihood(error=(0.1, 0.1))
