import numpy as np

from hpcflow.calibration.strata import Axis, Seen, mean_error, pattern_bands, pattern_of, strata

BANDS = ["A", "B", "C", "D", "E"]


def many(n: int = 500) -> tuple[Seen, np.ndarray]:
    rng = np.random.default_rng(1)
    observed = rng.random((n, 5)) < 0.8
    observed[: n // 2] = True
    log_age, ebv = rng.uniform(6, 10.1, n), rng.uniform(0, 1.5, n)
    axes = {
        "log_age": Axis(log_age, (7.0, 8.0, 9.0)),
        "E(B-V)": Axis(ebv, (0.1, 0.3, 0.7)),
        "distance": Axis(rng.uniform(1, 30, n), (5.0, 10.0, 20.0), "Mpc"),
    }
    seen = Seen(rng.uniform(0.02, 0.6, n), axes, pattern_of(observed), BANDS)
    return seen, observed


def test_every_cluster_is_in_one_stratum_of_each_kind() -> None:
    seen, observed = many()
    found = strata(seen)
    for kind in ("r*", "log_age", "E(B-V)", "Mpc"):
        members = [rows for name, rows in found.items() if kind in name]
        assert len(members) == 4
        assert (np.sum(members, axis=0) == 1).all()
    assert (seen.error[found["0.1 <= r* < 0.2"]] < 0.2).all()
    assert (seen.axes["log_age"].values[found["9 <= log_age"]] >= 9).all()
    assert (seen.axes["E(B-V)"].values[found["E(B-V) < 0.1"]] < 0.1).all()
    assert (seen.axes["distance"].values[found["20 Mpc <= distance"]] >= 20).all()
    assert (observed.sum(axis=1)[found["3 bands"]] == 3).all()


def test_every_cluster_is_in_one_stratum_of_a_band_pattern() -> None:
    seen, observed = many()
    found = strata(seen)
    patterns = {name: rows for name, rows in found.items() if set(name.split()) <= set(BANDS)}
    assert len(patterns) == 4
    assert next(iter(patterns)) == "A B C D E"
    assert (np.sum([*patterns.values(), found["other bands"]], axis=0) == 1).all()
    for name, rows in patterns.items():
        assert (observed[rows] == [band in name for band in BANDS]).all()


def test_patterns_are_what_was_observed() -> None:
    observed = np.array([[True, False, False, False, True], [False] * 5, [True] * 5])
    found = [pattern_bands(int(pattern), BANDS) for pattern in pattern_of(observed)]
    assert found == [["A", "E"], [], BANDS]


def test_the_mean_error_is_geometric_and_of_observed_bands_only() -> None:
    flux = np.array([[1.0, 2.0, np.nan], [1.0, -1.0, 1.0]])
    sigma = np.array([[0.1, 0.8, np.nan], [0.5, 0.5, 0.5]])
    observed = np.array([[True, True, False], [True, True, True]])
    np.testing.assert_allclose(mean_error(flux, sigma, observed), [0.2, 0.5])
