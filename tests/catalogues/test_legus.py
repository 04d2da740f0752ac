from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hpcflow.base.errors import InputError
from hpcflow.catalogues.legus import is_legus
from hpcflow.catalogues.read import read_catalogue
from hpcflow.catalogues.read_options import ReadOptions
from hpcflow.store.flags import Reason

NGC1566 = "hlsp_legus_hst_wfc3_ngc1566_multiband_v1_padagb-mwext-avgapcor.tab"
NGC628C = "hlsp_legus_hst_acs-wfc3_ngc628-c_multiband_v1_padagb-mwext-avgapcor.tab"

UVIS = {name: f"WFC3_UVIS.{name}" for name in ("F275W", "F336W", "F438W", "F555W", "F814W")}
BOTH = UVIS | {f"ACS_{name}": f"ACS_WFC.{name}" for name in ("F435W", "F555W", "F814W")}


def row(number: int, magnitudes: list[tuple[float, float]], age: float = 1e7, kind: int = 1) -> list[float]:
    """One line of 35 columns."""
    pairs = [x for pair in magnitudes for x in pair]
    fit = [age, age, age, 1e4, 1e4, 1e4, 0.1, 0.2, 0.0]
    return [number, 10.0, 20.0, 65.0, -54.9, *pairs, 1.5, *fit, 0, 0, 0, 0, 0, 1.2, 0.5, 5, kind, 0.0]


def written(folder: Path, rows: list[list[float]], name: str = NGC1566) -> Path:
    path = folder / name
    path.write_text("".join(" ".join(f"{x:.5g}" for x in r) + "\n" for r in rows))
    return path


GOOD = [(22.0, 0.1)] * 5


def test_magnitudes_become_mjy(tmp_path: Path) -> None:
    catalogue = read_catalogue(written(tmp_path, [row(1, [(22.0 + i, 0.1) for i in range(5)])]), UVIS)
    ab = 22.0 + np.arange(5) + np.array([1.495, 1.181, -0.158, -0.028, 0.418])
    assert np.allclose(catalogue.flux[0], 3631e3 * 10 ** (-0.4 * ab))
    assert np.allclose(catalogue.sigma[0], catalogue.flux[0] * 0.1 * np.log(10) / 2.5)
    assert catalogue.galaxy.tolist() == ["NGC1566"]


def test_marks_and_bad_cells_are_reasons(tmp_path: Path) -> None:
    marks = [(66.666, 66.666), (99.999, 99.999), (22.0, 99.999), (22.0, 0.0), (22.0, 0.1)]
    path = written(tmp_path, [row(1, marks), row(2, GOOD)])
    path.write_text(path.read_text() + " ".join(map(str, row(3, GOOD))).replace("22.0", "***", 1) + "\n")
    catalogue = read_catalogue(path, UVIS)
    expected = [Reason.NO_COVERAGE, Reason.NOT_DETECTED, Reason.NOT_DETECTED, Reason.BAD_ERROR, Reason.OK]
    assert catalogue.reason[0].tolist() == expected
    assert catalogue.observed[1].all()
    assert catalogue.reason[2].tolist() == [Reason.NOT_FINITE, 0, 0, 0, 0]


def test_published_values_and_classes(tmp_path: Path) -> None:
    path = written(tmp_path, [row(1, GOOD), row(2, GOOD, age=0.0, kind=0), row(3, GOOD, kind=4)])
    catalogue = read_catalogue(path, UVIS)
    assert catalogue.cluster_class.tolist() == [1, -1, 4]
    expected = {"log_age": 7.0, "log_mass": 4.0, "ebv": 0.1, "chi2": 1.2}
    assert set(catalogue.published) == set(expected)
    for key, value in expected.items():
        assert np.allclose(catalogue.published[key], [value, np.nan, value], equal_nan=True)


def test_the_files_name_tells_the_instruments(tmp_path: Path) -> None:
    mixed = read_catalogue(written(tmp_path, [row(1, GOOD)], NGC628C), BOTH)
    assert mixed.galaxy.tolist() == ["NGC0628C"]
    assert dict(zip(mixed.bands, mixed.observed[0].tolist(), strict=True)) == {
        "F275W": True,
        "F336W": True,
        "F438W": False,
        "F555W": False,
        "F814W": False,
        "ACS_F435W": True,
        "ACS_F555W": True,
        "ACS_F814W": True,
    }
    uvis = read_catalogue(written(tmp_path, [row(1, GOOD)]), BOTH)
    assert uvis.observed[0].tolist() == [True] * 5 + [False] * 3
    assert np.all(uvis.reason[0, 5:] == Reason.NO_BAND)


def test_the_galaxies_table_corrects_the_instruments(tmp_path: Path) -> None:
    name = NGC628C.replace("628-c", "628-e")  # its F555W is from UVIS
    observed = read_catalogue(written(tmp_path, [row(1, GOOD)], name), BOTH).observed[0]
    assert observed.tolist() == [True, True, False, True, False, True, False, True]


def test_a_curve_of_the_users_own_matches_by_its_label(tmp_path: Path) -> None:
    path = written(tmp_path, [row(1, GOOD)], NGC628C)
    assert read_catalogue(path, {"F435W": "b.txt", "F555W": "v.txt"}).observed.all()
    with pytest.raises(InputError, match=r"no band F606W \(v.txt\); it has .*ACS_WFC.F555W.*model.bands"):
        read_catalogue(path, {"F435W": "b.txt", "F606W": "v.txt"})


def test_no_band_at_all_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no band F435W .*model.bands"):
        read_catalogue(written(tmp_path, [row(1, GOOD)]), {"F435W": "ACS_WFC.F435W"})


@pytest.mark.parametrize("name", ["ngc1566.tab", "clusters.txt", "catalogue"])
@pytest.mark.parametrize("format", ["auto", "legus"])
def test_a_file_of_any_name_is_read_once_its_galaxy_is_given(tmp_path: Path, name: str, format: str) -> None:
    rows = [row(i, [(66.666, 66.666), (99.999, 99.999), (22.0, 0.1), (22.0, 0.1), (22.0, 0.1)]) for i in range(1, 60)]
    path, named = written(tmp_path, rows, name), written(tmp_path, rows)
    with pytest.raises(InputError, match=rf"{name} is not named .*set infer\.galaxy"):
        read_catalogue(path, BOTH, ReadOptions(format=format))
    one, other = read_catalogue(path, BOTH, ReadOptions(format=format, galaxy="NGC 1566")), read_catalogue(named, BOTH)
    np.testing.assert_array_equal(one.flux, other.flux)
    np.testing.assert_array_equal(one.reason, other.reason)
    assert set(one.galaxy) == {"NGC1566"}


def test_the_camera_is_that_of_the_galaxies_table_or_of_the_format(tmp_path: Path) -> None:
    path = written(tmp_path, [row(1, GOOD)], "c.tab")
    acs, uvis = [True] * 2 + [False] * 3 + [True] * 3, [True] * 5 + [False] * 3

    def observed(galaxy: str, format: str = "auto") -> list[bool]:
        options = ReadOptions(format=format, galaxy=galaxy, distance_mpc={galaxy: 9.0})
        found: list[bool] = read_catalogue(path, BOTH, options).observed[0].tolist()
        return found

    assert observed("NGC628C") == acs
    assert observed("NGC1566") == uvis
    with pytest.raises(InputError, match=r"nor is that known of M83; set infer\.format to legus-acs or legus-uvis"):
        observed("M83")
    assert observed("M83", "legus-acs") == acs
    assert observed("M83", "legus-uvis") == uvis


@pytest.mark.parametrize("harm", ["a header", "few columns", "magnitudes of 3", "classes of 9", "a declination of 100"])
def test_what_is_not_surely_legus_is_not_taken_for_it(tmp_path: Path, harm: str) -> None:
    good = row(1, GOOD)
    changed = {
        "few columns": good[:30],
        "magnitudes of 3": row(1, [(3.0, 0.1)] * 5),
        "classes of 9": row(1, GOOD, kind=9),
        "a declination of 100": [*good[:4], 100.0, *good[5:]],
    }
    path = written(tmp_path, [changed.get(harm, good)] * 3, "c.txt")
    unread = written(tmp_path, [good] * 3, "good.txt")
    assert is_legus(unread)
    unread.write_text(unread.read_text().replace("22", "***", 1))  # one cell that cannot be read
    assert is_legus(unread)
    if harm == "a header":
        path.write_text("id x y ra dec\n" + path.read_text())
    assert not is_legus(path)
    with pytest.raises(InputError, match=r"of no known kind; convert it to one of \.fits"):
        read_catalogue(path, UVIS)


def test_sentinels_publish_nothing(tmp_path: Path) -> None:
    rows = [row(i, GOOD) for i in range(1, 5)]
    rows[1][22], rows[1][23], rows[1][24] = -999.0, -999.0, -999.0
    rows[2][30] = 99.999
    rows[3][16] = 66.666
    catalogue = read_catalogue(written(tmp_path, rows), UVIS)
    missing = {key: np.isnan(values).tolist() for key, values in catalogue.published.items()}
    assert missing == {
        "log_age": [False, False, False, True],
        "log_mass": [False, False, False, True],
        "ebv": [False, True, False, True],
        "chi2": [False, False, True, True],
    }
    assert np.isnan(catalogue.published_error["ebv"]).tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    ("text", "said"), [("", "has no rows"), ("1 2 3\n", "has 3 columns"), ("1 2 3\n4 5\n", "truncated")]
)
def test_broken_files_are_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / NGC1566).write_text(text)
    with pytest.raises(InputError, match=said) as caught:
        read_catalogue(tmp_path / NGC1566, UVIS)
    assert NGC1566 in str(caught.value)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / NGC1566).write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="cannot be read as a LEGUS table"):
        read_catalogue(tmp_path / NGC1566, UVIS)


@pytest.mark.parametrize(("name", "rows", "complete"), [("ngc1566", 2752, 875), ("ngc628-c", 3080, 679)])
def test_the_real_catalogues_have_the_known_counts(
    name: str, rows: int, complete: int, legus: Callable[[str], Path]
) -> None:
    whole = read_catalogue(legus(name), BOTH)
    assert len(whole) == rows
    good = read_catalogue(legus(name), BOTH, ReadOptions(classes=(1, 2)))
    assert np.count_nonzero(good.observed.sum(axis=1) == 5) == complete
    assert np.isfinite(whole.flux[whole.observed]).all()
    assert (whole.sigma[whole.observed] > 0).all()
    assert np.nanmin(whole.published["log_age"]) >= 6
