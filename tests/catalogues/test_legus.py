from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hpcflow.base.errors import InputError
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


def test_another_name_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = written(tmp_path, [row(1, GOOD)], "ngc1566.tab")
    with pytest.raises(InputError, match=r"ngc1566.tab is not named .*rename it to hlsp_legus_hst_"):
        read_catalogue(path, UVIS, ReadOptions(format="legus"))


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
