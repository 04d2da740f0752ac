import numpy as np
import pytest
from scipy import stats

from clusters import cluster_observer, distance, scale
from hpcflow.model.observe import Photometry
from hpcflow.model.prior import Parameter, Prior
from hpcflow.posterior.likelihood import Likelihood
from hpcflow.posterior.mass import MassGivenFlux
from toy import Toy

PRIOR = Prior((Parameter("log_age", 6, 10), Parameter("log_mass", 2, 8), Parameter("ebv", 0, 1.5)))
OBSERVERS = {
    "lognormal": cluster_observer("lognormal", (0.03, 0.5), missing=0.1),
    "normal": cluster_observer("normal", (0.05, 0.5), missing=0.1),
    "upper limits": cluster_observer("normal", (0.05, 0.5), missing=0.1, undetected=0.3),
}
laws = pytest.mark.parametrize("law", OBSERVERS)
FIRST = np.zeros(1, dtype=np.intp)
MASSES = np.linspace(2, 8, 20_001)


def clusters(law: str, n: int) -> list[tuple[MassGivenFlux, np.ndarray, np.ndarray]]:
    """Return the densities of n clusters, ln F (1, B), and the log-likelihood along `MASSES`."""
    observer, rng = OBSERVERS[law], np.random.default_rng(1)
    likelihood, theta = Likelihood(Toy(), PRIOR, observer), PRIOR.sample(n, rng)
    unit = Toy()(theta[:, [0, 2]])
    seen = observer(unit, theta[:, 1], rng)
    found = []
    for i in range(n):
        one = Photometry(*(a[i : i + 1] for a in seen))
        mass = MassGivenFlux(likelihood, one)
        log_f = np.log(unit[i] * scale(MASSES, distance(one)[0])[:, None])
        found.append((mass, np.log(unit[i : i + 1]), likelihood.of_fluxes(log_f[None], one)[0]))
    return found


@laws
def test_the_integral_agrees_with_a_plain_sum(law: str) -> None:
    missed = []
    for mass, log_unit, along in clusters(law, 200):
        top = along.max()
        missed.append(mass.integral(log_unit, FIRST)[0] - top - np.log(np.exp(along - top).mean()))
    assert abs(np.mean(missed)) < 2e-3
    assert np.abs(missed).max() < 0.05


@laws
def test_masses_are_drawn_from_the_density(law: str) -> None:
    rng = np.random.default_rng(2)
    for mass, log_unit, along in clusters(law, 12):
        drawn, log_density = mass.draw(np.repeat(log_unit, 1000, axis=0), np.repeat(FIRST, 1000), rng.random(1000))
        cumulated = np.cumsum(np.exp(along - along.max()))
        found = stats.kstest(drawn, lambda m, c=cumulated: np.interp(m, MASSES, c / c[-1]))
        assert found.pvalue > 1e-4
        expected = np.interp(drawn, MASSES, along) - np.log(np.exp(along - along.max()).mean() * 6) - along.max()
        assert np.median(np.abs(log_density - expected)) < 0.1


@laws
def test_objects_at_once_are_as_alone(law: str) -> None:
    observer, rng = OBSERVERS[law], np.random.default_rng(3)
    likelihood, theta = Likelihood(Toy(), PRIOR, observer), PRIOR.sample(5, rng)
    seen = observer(Toy()(theta[:, [0, 2]]), theta[:, 1], rng)
    log_unit = np.log(Toy()(PRIOR.sample(600, rng)[:, [0, 2]]))
    of = rng.integers(0, 5, 600)
    together = MassGivenFlux(likelihood, seen).integral(log_unit, of)
    for k in range(5):
        alone = MassGivenFlux(likelihood, Photometry(*(a[k : k + 1] for a in seen)))
        mine = log_unit[of == k]
        np.testing.assert_array_equal(alone.integral(mine, np.zeros(len(mine), np.intp)), together[of == k])
