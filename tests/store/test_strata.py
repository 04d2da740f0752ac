import numpy as np

from hpcflow.store.strata import mean_error, strata


def test_every_cluster_is_in_one_stratum_of_each_kind() -> None:
    rng = np.random.default_rng(1)
    error, log_age, bands = rng.uniform(0.02, 0.6, 500), rng.uniform(6, 10.1, 500), rng.integers(2, 6, 500)
    found = strata(error, log_age, bands)
    for kind in ("r*", "log_age", "bands"):
        members = [rows for name, rows in found.items() if kind in name]
        assert len(members) == 4
        assert (np.sum(members, axis=0) == 1).all()
    assert (error[found["0.1 <= r* < 0.2"]] < 0.2).all()
    assert (log_age[found["9 <= log_age"]] >= 9).all()
    assert (bands[found["3 bands"]] == 3).all()


def test_the_mean_error_is_geometric_and_of_the_observed_bands_alone() -> None:
    flux = np.array([[1.0, 2.0, np.nan], [1.0, -1.0, 1.0]])
    sigma = np.array([[0.1, 0.8, np.nan], [0.5, 0.5, 0.5]])
    observed = np.array([[True, True, False], [True, True, True]])
    np.testing.assert_allclose(mean_error(flux, sigma, observed), [0.2, 0.5])
