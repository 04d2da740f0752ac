import numpy as np
import pytest

from hpcflow.catalogues.depth import DEPTHS, SHARED, Depth, photometric_error
from hpcflow.catalogues.galaxies import bands_of, galaxies

N = 100_000


def drawn(flux: float, depth: Depth, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return photometric_error(np.full(N, flux), depth, rng.standard_normal(N), rng.standard_normal(N))


def test_every_curve_of_the_survey_has_a_depth() -> None:
    used = {curve for name in galaxies()["galaxy"].tolist() for curve in bands_of(name) or ()}
    assert used == set(DEPTHS)


@pytest.mark.parametrize("curve", DEPTHS)
def test_the_sky_scatters_about_its_median(curve: str) -> None:
    depth = DEPTHS[curve]
    error = drawn(0.0, depth)
    assert np.median(error) == pytest.approx(depth.sky, rel=0.02)
    assert np.log(error).std() == pytest.approx(depth.scatter, rel=0.02)


@pytest.mark.parametrize("curve", DEPTHS)
def test_bright_clusters_have_photon_noise(curve: str) -> None:
    depth = DEPTHS[curve]
    assert np.median(drawn(1.0, depth)) == pytest.approx(np.sqrt(depth.gain), rel=0.02)


def test_bands_of_one_cluster_share_their_surroundings() -> None:
    rng = np.random.default_rng(1)
    common, depth = rng.standard_normal(N), Depth(1e-4, 1e-6, 0.5)
    one, two = (np.log(photometric_error(np.zeros(N), depth, common, rng.standard_normal(N))) for _ in range(2))
    assert np.corrcoef(one, two)[0, 1] == pytest.approx(SHARED, abs=0.02)
