import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from clusters import cluster_observer, photometry_of
from hpcflow.model.observe import Observer
from hpcflow.posterior.support import Support
from hpcflow.store.flags import MOST_SCATTER, Flag, Reason

ALL = ((True,) * 4,)
SETS = ((True, True, True, False), (False, True, True, True))
FAINT, BRIGHT = np.array([1.0, 2.0, 3.0, 3.0]), np.array([9.0, 9.0, 8.0, 8.0])


def support(missing: float = 0.2, sets: tuple[tuple[bool, ...], ...] = ALL) -> Support:
    return Support(cluster_observer("lognormal", (0.02, 0.5), (2.0, 20.0), sets, missing), FAINT, BRIGHT)


def usual() -> dict[str, np.ndarray]:
    """Return one cluster that raises no flag: 1e5 mJy at 10 pc, observed at 10 Mpc with 10 % errors."""
    flux = np.full((1, 4), 1e5 * 1e-12)
    return {
        "flux": flux,
        "sigma": 0.1 * flux,
        "observed": np.ones((1, 4), bool),
        "distance": np.array([10.0]),
        "reason": np.zeros((1, 4), np.uint8),
    }


def flags(of: Support, seen: dict[str, np.ndarray]) -> Flag:
    found = of.flags(photometry_of(seen), seen["reason"])
    assert found.shape == (1,)
    assert found.dtype == np.int32
    return Flag(int(found[0]))


def lost(bands: list[int], reason: Reason) -> dict[str, np.ndarray]:
    seen = usual()
    seen["observed"][:, bands], seen["reason"][:, bands] = False, reason
    seen["flux"][:, bands] = seen["sigma"][:, bands] = np.nan
    return seen


def with_(name: str, value: float, band: int | None = None) -> dict[str, np.ndarray]:
    seen = usual()
    if band is None:
        seen[name][:] = value
    else:
        seen[name][:, band] = value
    return seen


def bright(factor: float, band: int) -> dict[str, np.ndarray]:
    seen = usual()
    seen["flux"][:, band] *= factor
    seen["sigma"][:, band] *= factor
    return seen


CASES = {
    "nothing": (usual(), Flag(0)),
    "no coverage": (lost([1], Reason.NO_COVERAGE), Flag.MISSING_BAND),
    "no band": (lost([0], Reason.NO_BAND), Flag.MISSING_BAND),
    "not detected": (lost([1], Reason.NOT_DETECTED), Flag.NOT_DETECTED),
    "negative": (lost([3], Reason.NEGATIVE), Flag.NOT_DETECTED),
    "not finite": (lost([1], Reason.NOT_FINITE), Flag.BAD_VALUE),
    "bad error": (lost([1], Reason.BAD_ERROR), Flag.BAD_VALUE),
    "one band": (lost([0, 1, 2], Reason.NOT_FINITE), Flag.TOO_FEW_BANDS | Flag.BAD_VALUE),
    "two bands": (lost([0, 1], Reason.NOT_FINITE), Flag.BAD_VALUE),
    "large error": (with_("sigma", 2.4e-7, 2), Flag.ERROR_OUTSIDE_TRAINING),
    "error that noise makes large": (with_("sigma", 2.2e-7, 2), Flag(0)),
    "small error": (with_("sigma", 0.0188e-7, 2), Flag.ERROR_OUTSIDE_TRAINING),
    "error that noise makes small": (with_("sigma", 0.0189e-7, 2), Flag(0)),
    "faint": (bright(0.7e-2, 2), Flag.FLUX_OUTSIDE_TRAINING),
    "faint but not too much": (bright(0.8e-2, 2), Flag(0)),
    "bright": (bright(1.7e3, 2), Flag.FLUX_OUTSIDE_TRAINING),
    "bright but not too much": (bright(1.3e3, 2), Flag(0)),
    "bright but not in this band": (bright(1.01e3, 0), Flag(0)),
}


@pytest.mark.parametrize(("seen", "expected"), CASES.values(), ids=CASES.keys())
def test_each_flag_is_raised_only_by_its_own_cause(seen: dict[str, np.ndarray], expected: Flag) -> None:
    assert flags(support(), seen) == expected


@pytest.mark.parametrize(("distance", "outside"), [(1.99, True), (2.0, False), (20.0, False), (20.01, True)])
def test_distances_outside_training_are_flagged(distance: float, outside: bool) -> None:
    seen = with_("distance", distance)
    seen["flux"] *= (10 / distance) ** 2
    seen["sigma"] *= (10 / distance) ** 2
    assert flags(support(), seen) == (Flag.GIVEN_OUTSIDE_TRAINING if outside else Flag(0))


@pytest.mark.parametrize("distance", [np.nan, np.inf, 0.0, -3.0])
def test_what_is_no_distance_is_not_outside_training_but_missing(distance: float) -> None:
    assert flags(support(), with_("distance", distance)) == Flag.NOT_GIVEN


def test_a_filter_of_which_training_had_nothing_is_flagged() -> None:
    new = replace(support(), unseen=np.array([False, True, False, False]))
    assert flags(new, usual()) == Flag.UNSEEN_FILTER
    assert flags(new, lost([1], Reason.NO_COVERAGE)) == Flag.MISSING_BAND


def test_every_flag_of_an_observation_is_raised_somewhere() -> None:
    raised = Flag(0)
    for _, expected in CASES.values():
        raised |= expected
    later = Flag.POOR_FIT | Flag.FAILED | Flag.LOW_EFFICIENCY | Flag.UNLIKELY
    later |= Flag.PRIOR_EDGE | Flag.LARGEST_ERROR_EDGE | Flag.SMALLEST_ERROR_EDGE | Flag.IMPOSSIBLE
    elsewhere = Flag.GIVEN_OUTSIDE_TRAINING | Flag.BANDS_OUTSIDE_TRAINING | Flag.UPPER_LIMIT | Flag.NOT_GIVEN
    elsewhere |= Flag.UNSEEN_FILTER
    assert raised | later | elsewhere == sum(Flag)


def test_without_lost_bands_in_training_a_lost_band_is_outside() -> None:
    for reason, also in ((Reason.NO_COVERAGE, Flag.MISSING_BAND), (Reason.NOT_FINITE, Flag.BAD_VALUE)):
        assert flags(support(missing=0.0), lost([1], reason)) == Flag.BANDS_OUTSIDE_TRAINING | also
    assert flags(support(missing=0.0), usual()) == Flag(0)


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_bands_of_another_instrument_are_not_missing(missing: float) -> None:
    for absent in (3, 0):
        assert flags(support(missing, SETS), lost([absent], Reason.NO_BAND)) == Flag(0)


def test_a_pattern_of_no_instrument_is_outside() -> None:
    for missing in (0.0, 0.2):
        assert flags(support(missing, SETS), usual()) & Flag.BANDS_OUTSIDE_TRAINING
    part = lost([0, 3], Reason.NO_COVERAGE)
    assert flags(support(0.2, SETS), part) == Flag.MISSING_BAND
    assert flags(support(0.0, SETS), part) == Flag.MISSING_BAND | Flag.BANDS_OUTSIDE_TRAINING


def test_rows_are_flagged_one_by_one() -> None:
    cases = list(CASES.values())
    together = {name: np.concatenate([seen[name] for seen, _ in cases]) for name in usual()}
    photometry = photometry_of(together)
    found = support().flags(photometry, together["reason"])
    np.testing.assert_array_equal(found, [int(expected) for _, expected in cases])


LIMITS = cluster_observer("normal", (0.02, 0.5), (2.0, 20.0), ALL, 0.2, undetected=0.2)


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        (60.0, Flag.ERROR_OUTSIDE_TRAINING),  # errors of 2 % allow a ratio of 50 at most
        (50.0, Flag(0)),
        (10.0, Flag(0)),
        (0.5, Flag.UPPER_LIMIT),
        (0.0, Flag.UPPER_LIMIT),
        (-2.9, Flag.UPPER_LIMIT),
        (-3.1, Flag.UPPER_LIMIT | Flag.FLUX_OUTSIDE_TRAINING),
    ],
)
def test_a_band_below_its_error_is_a_limit_unless_noise_cannot_explain_it(signal: float, expected: Flag) -> None:
    seen = usual()
    seen["flux"][:, 2] = signal * seen["sigma"][:, 2]
    assert flags(Support(LIMITS, FAINT, BRIGHT), seen) == expected


OBSERVERS = [cluster_observer("lognormal", (0.02, 0.5), (2.0, 20.0), SETS, 0.3), LIMITS]


@pytest.mark.parametrize(
    "observer", [*OBSERVERS, cluster_observer("normal", (0.01, 0.5)), cluster_observer("lognormal", (0.0, 0.5))]
)
def test_training_data_are_rarely_flagged(observer: Observer) -> None:
    rng = np.random.default_rng(1)
    unit, log_mass = 10 ** rng.uniform(0, 3, (20_000, 4)), rng.uniform(2, 8, 20_000)
    seen = observer(unit, log_mass, rng)
    flag = Support.of_library(observer, unit, (2.0, 8.0)).flags(seen, np.zeros((20_000, 4), np.uint8))
    outside = Flag.ERROR_OUTSIDE_TRAINING | Flag.FLUX_OUTSIDE_TRAINING
    assert (flag & ~int(outside | Flag.UPPER_LIMIT) == 0).all()
    assert ((flag & int(outside)) > 0).mean() < 4 * 2 * norm.sf(MOST_SCATTER)  # four bands, two tails


def test_the_support_of_a_library_spans_the_fluxes_at_the_lowest_and_highest_mass() -> None:
    of = Support.of_library(cluster_observer(), np.array([[1.0, 100.0], [10.0, 1000.0]]), (2.0, 8.0))
    np.testing.assert_allclose(of.faintest, [2, 4])
    np.testing.assert_allclose(of.brightest, [9, 11])


@pytest.mark.parametrize("observer", [*OBSERVERS, cluster_observer()])
def test_support_survives_json(observer: Observer) -> None:
    of = Support(observer, FAINT, BRIGHT)
    found = Support.from_plain(json.loads(json.dumps(of.plain())))
    assert found.observer == of.observer
    np.testing.assert_array_equal(found.faintest, of.faintest)
    np.testing.assert_array_equal(found.brightest, of.brightest)


def test_a_support_from_before_upper_limits_has_none() -> None:
    plain = Support(cluster_observer(), FAINT, BRIGHT).plain()
    del plain["observer"]["undetected"]
    assert Support.from_plain(plain).observer == cluster_observer()


def test_of_some_bands_it_knows_what_is_left_of_its_sets() -> None:
    """Without missing bands only whole sets have been seen; with missing ones, a part of a set is no set of its own."""
    whole = support(0.0, SETS)
    assert whole.of_bands(range(4)) is whole
    assert whole.of_bands([2, 1, 0]).observer.band_sets == ((True, True, True),)
    assert whole.of_bands([1, 2]).observer.band_sets == ((False, False),)
    assert support(0.2, SETS).of_bands([1, 3]).observer.band_sets == ((True, True),)
    assert support(0.2, SETS).of_bands([0, 3]).observer.band_sets == ((True, False), (False, True))


def test_of_some_bands_it_judges_as_if_the_others_were_masked() -> None:
    columns = [3, 0, 2]
    for seen in (usual(), bright(1e6, 3), with_("sigma", 1e-9, 0), with_("distance", 50.0)):
        masked = {name: np.array(values) for name, values in seen.items()}
        for name, value in (("flux", np.nan), ("sigma", np.nan), ("observed", False), ("reason", Reason.NO_BAND)):
            masked[name][:, 1] = value
        own = {name: values if values.ndim == 1 else values[:, columns] for name, values in seen.items()}
        assert flags(support().of_bands(columns), own) == flags(support(), masked) & ~Flag.MISSING_BAND
