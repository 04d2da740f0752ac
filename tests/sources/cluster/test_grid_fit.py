import numpy as np
import pytest

from clusters import scale
from hpcflow.model.filters import load_curve
from hpcflow.model.observe import Photometry
from hpcflow.model.tables import load_ssp, shipped_tables
from hpcflow.sources.cluster.grid_fit import AGES_MYR, REDDENINGS, grid_fit
from hpcflow.sources.cluster.ssp import SspSimulator

BANDS = ("F275W", "F336W", "F438W", "F555W", "F814W")


@pytest.fixture(scope="module")
def simulator() -> SspSimulator:
    return SspSimulator(load_ssp(shipped_tables()[0], 0.02), {b: load_curve(f"WFC3_UVIS.{b}") for b in BANDS})


def seen(simulator: SspSimulator, theta: np.ndarray, error: float, columns: list[int]) -> Photometry:
    """Photometry without noise of log_age, log_mass, ebv at 10 Mpc."""
    flux = simulator(theta[:, [0, 2]])[:, columns] * scale(theta[:, 1], np.full(len(theta), 10.0))[:, None]
    return Photometry(flux, error * flux, np.isfinite(flux), np.full((len(theta), 1), 10.0))


def test_the_grid_is_the_surveys() -> None:
    assert len(AGES_MYR) == 109
    assert len(REDDENINGS) == 151
    assert AGES_MYR[[0, 9, -1]].tolist() == pytest.approx([1, 10, 13_750])
    assert (np.diff(AGES_MYR) > 0).all()


@pytest.mark.parametrize("columns", [[0, 1, 2, 3, 4], [4, 2, 0, 1]])
def test_a_cluster_on_the_grid_is_found_there(simulator: SspSimulator, columns: list[int]) -> None:
    theta = np.array([[np.log10(AGES_MYR[60]) + 6, 4.5, 0.3], [7.0, 5.0, 0.0], [6.0, 3.0, 1.2]])
    fit = grid_fit(seen(simulator, theta, 0.01, columns), simulator, columns)
    np.testing.assert_allclose(np.log10(fit.age) + 6, theta[:, 0])
    np.testing.assert_allclose(np.log10(fit.mass), theta[:, 1], rtol=1e-6)
    np.testing.assert_allclose(fit.ebv, theta[:, 2], atol=1e-12)
    np.testing.assert_allclose(fit.chi2, 0, atol=1e-6)


def test_errors_grow_with_those_of_the_photometry_and_a_missing_band_counts_nothing(simulator: SspSimulator) -> None:
    theta = np.array([[8.0, 4.5, 0.3]])
    columns = list(range(5))
    sharp, blunt = (grid_fit(seen(simulator, theta, e, columns), simulator, columns) for e in (0.02, 0.1))
    for name in ("age_error", "mass_error", "ebv_error"):
        assert 0 < getattr(sharp, name)[0] < getattr(blunt, name)[0]
    four = seen(simulator, theta, 0.02, columns)
    lost = four._replace(observed=np.array([[True, False, True, True, True]]))
    lost.flux[0, 1] = np.nan
    without = [0, 2, 3, 4]
    alone = grid_fit(seen(simulator, theta, 0.02, without), simulator, without)
    for one, two in zip(grid_fit(lost, simulator, columns), alone, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
