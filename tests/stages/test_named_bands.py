"""Names of bands mean one curve each, or are refused with those that are meant."""

from pathlib import Path

import pytest

from hpcflow.base.errors import InputError
from hpcflow.stages.named_bands import named_bands

KNOWN = {"NUV": "WFC3_UVIS.F275W", "F555W": "WFC3_UVIS.F555W", "ACS_V": "ACS_WFC.F555W"}


@pytest.mark.parametrize(
    ("name", "curve"),
    [
        ("NUV", "WFC3_UVIS.F275W"),
        ("f275w", "WFC3_UVIS.F275W"),
        ("F555W", "WFC3_UVIS.F555W"),  # as it is called here
        ("ACS_WFC.F555W", "ACS_WFC.F555W"),
        ("acs F555W", "ACS_WFC.F555W"),
    ],
)
def test_a_name_is_that_of_a_band_a_curve_or_a_filter(name: str, curve: str) -> None:
    assert list(named_bands([name], KNOWN).values()) == [curve]
    assert named_bands({"mine": name}, KNOWN) == {"mine": curve}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("f555w", r"may be ACS_WFC\.F555W or WFC3_UVIS\.F555W; name one"),
        ("F547M", "the band F547M is not known here"),
        ("WFC3_UVIS.F555M", r"did you mean WFC3_UVIS\.F555W\?"),
        ("WFC3_UVIS.F438W", "is not known here"),  # it ships, and is none of these
        ("V", "those known are WFC3_UVIS.F275W, WFC3_UVIS.F555W, ACS_WFC.F555W"),
    ],
)
def test_another_name_is_refused(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        named_bands([name], KNOWN)


def test_curves_that_ship_and_files_are_known_where_they_may_be_any(tmp_path: Path) -> None:
    (tmp_path / "curve.txt").write_text("3000 0.1\n4000 0.1\n")
    found = named_bands({"B": "WFC3_UVIS.F438W", "own": str(tmp_path / "curve.txt")}, {}, shipped=True)
    assert found == {"B": "WFC3_UVIS.F438W", "own": str(tmp_path / "curve.txt")}
