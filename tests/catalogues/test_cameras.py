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
        ("F438W IR_F160W", {}, "WFC3_IR.F160W", []),
        ("F438W WFC3_IR_F160W", {}, "WFC3_IR.F160W", []),
        ("F438W wfc3ir_f160w", {}, "WFC3_IR.F160W", []),
        ("F438W WFC3_F160W", {}, "WFC3_IR.F160W", []),
        ("F435W F110W", {}, "WFC3_IR.F110W", []),
        ("F435W F140W", {}, "WFC3_IR.F140W", []),
        ("F438W NICMOS_F160W", {}, None, []),
        ("F438W NIRCam_F150W", {}, "NIRCAM.F150W", []),
        ("F438W F150W", {}, "NIRCAM.F150W", []),
        ("F438W F140M", {}, "NIRCAM.F140M", []),
        ("F438W NIRISS_F150W", {}, None, []),
        ("F438W F547M", {}, "WFC3_UVIS.F547M", []),
        ("F435W F550M", {}, "ACS_WFC.F550M", []),
        ("F438W F606W", {}, "WFC3_UVIS.F606W", ["F606W"]),
        ("F435W F606W", {}, "ACS_WFC.F606W", ["F606W"]),
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
