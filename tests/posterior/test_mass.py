import numpy as np
import pytest
from scipy import stats

from clusters import cluster_observer, distance, scale
from hpcflow.model.observe import Photometry
from hpcflow.model.prior import Parameter, Prior
from hpcflow.posterior.likelihood import Likelihood
from hpcflow.posterior.mass import MassGivenFlux

PRIOR = Prior((Parameter("log_age", 6, 10), Parameter("log_mass", 2, 8), Parameter("ebv", 0, 1.5)))
OBSERVERS = {
    "lognormal": cluster_observer("lognormal", (0.03, 0.5), missing=0.1),
    "normal": cluster_observer("normal", (0.05, 0.5), missing=0.1),
    "upper limits": cluster_observer("normal", (0.05, 0.5), missing=0.1, undetected=0.3),
}
laws = pytest.mark.parametrize("law", OBSERVERS)
MASSES = np.linspace(2, 8, 20_001)


class Toy:
    """Clusters that fade with age and redden with dust."""

    parameters, bands, provenance = ("log_age", "ebv"), ("U", "B", "V", "I"), {}

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        age, ebv = theta.T[..., None]
        slope = np.array([1.0, 0.8, 0.6, 0.4])
        return 10 ** (5 - slope * (age - 6) - 0.4 * ebv * np.array([6.0, 4.0, 3.0, 2.0]))


def clusters(law: str, n: int) -> list[tuple[MassGivenFlux, np.ndarray, np.ndarray]]:
    """Return the densities of n clusters, ln F (1, B) in their used bands, and the log-likelihood along `MASSES`."""
    observer, rng = OBSERVERS[law], np.random.default_rng(1)
    likelihood, theta = Likelihood(Toy(), PRIOR, observer), PRIOR.sample(n, rng)
    unit = Toy()(theta[:, [0, 2]])
    seen = observer(unit, theta[:, 1], rng)
    found = []
    for i in range(n):
        one = Photometry(*(a[i : i + 1] for a in seen))
        mass = MassGivenFlux(likelihood, one)
        log_f = np.log(unit[i] * scale(MASSES, distance(one)[0])[:, None])
        found.append((mass, np.log(unit[i : i + 1, mass.used]), likelihood.of_fluxes(log_f[None], one)[0]))
    return found


@laws
def test_the_integral_agrees_with_a_plain_sum(law: str) -> None:
    missed = []
    for mass, log_unit, along in clusters(law, 200):
        top = along.max()
        missed.append(mass.integral(log_unit)[0] - top - np.log(np.exp(along - top).mean()))
    assert abs(np.mean(missed)) < 2e-3
    assert np.abs(missed).max() < 0.05


@laws
def test_masses_are_drawn_from_the_density(law: str) -> None:
    rng = np.random.default_rng(2)
    for mass, log_unit, along in clusters(law, 12):
        drawn = mass.draw(np.repeat(log_unit, 1000, axis=0), rng)
        cumulated = np.cumsum(np.exp(along - along.max()))
        found = stats.kstest(drawn, lambda m, c=cumulated: np.interp(m, MASSES, c / c[-1]))
        assert found.pvalue > 1e-4
