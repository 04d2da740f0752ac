import pytest

from hpcflow.catalogues.cameras import Curves
from hpcflow.catalogues.column_names import parse_name


@pytest.mark.parametrize(
    ("names", "told", "curve", "unsure"),
    [
        ("F438W F555W", {}, "WFC3_UVIS.F555W", ["F555W"]),
        ("F275W F336W F555W", {}, "WFC3_UVIS.F555W", ["F555W"]),
        ("F275W F435W F555W", {}, "ACS_WFC.F555W", ["F555W"]),
        ("ACS_F435W F555W", {}, "ACS_WFC.F555W", ["F555W"]),
        ("F438W ACS_F555W", {}, "ACS_WFC.F555W", []),
        ("F438W F555W", {"F555W": "ACS_WFC.F555W"}, "ACS_WFC.F555W", []),
        ("F438W F547M", {"F547M": "WFC3_UVIS.F555W"}, "WFC3_UVIS.F555W", []),
        ("F438W WFPC2_F555W", {}, None, []),
        ("F438W IR_F160W", {}, None, []),
    ],
)
def test_the_last_filter_finds_its_curve(
    names: str, told: dict[str, str], curve: str | None, unsure: list[str]
) -> None:
    said = [name for word in names.split() if (name := parse_name(word))]
    curves = Curves.among(said, told)
    assert curves.of(said[-1]) == curve
    assert curves.unsure(said) == unsure


@pytest.mark.parametrize("names", ["F555W F814W", "F435W F438W F555W"])
def test_nothing_shows_the_camera(names: str) -> None:
    said = [name for word in names.split() if (name := parse_name(word))]
    assert Curves.among(said, {}).camera == ""
