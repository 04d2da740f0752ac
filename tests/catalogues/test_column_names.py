import pytest

from hpcflow.catalogues.column_names import parse_name


@pytest.mark.parametrize(
    ("name", "kind", "unit", "error"),
    [
        ("F555W", "", "", False),
        ("f555w_mag", "magnitude", "", False),
        ("mag_F555W", "magnitude", "", False),
        ("m_f555w", "magnitude", "", False),
        ("F555Wmag", "magnitude", "", False),
        ("WFC3_F555W_flux", "flux", "", False),
        ("PHANGS_F555W_VEGA_TOT", "magnitude", "Vega", False),
        ("PHANGS_F555W_mJy_TOT_ERR", "flux", "mJy", True),
        ("F555W_AB", "magnitude", "AB", False),
        ("F555W_\u00b5Jy", "flux", "uJy", False),
        ("abmag_f555w", "magnitude", "AB", False),
        ("e_F555W", "", "", True),
        ("e_F555Wmag", "magnitude", "", True),
        ("err_F555W", "", "", True),
        ("F555W_err", "", "", True),
        ("F555W_error_njy", "flux", "nJy", True),
        ("emag_F555W", "magnitude", "", True),
        ("dmag_F555W", "magnitude", "", True),
        ("F555W_MAGERR", "magnitude", "", True),
        ("F555W_unc", "", "", True),
        ("sigma_F555W", "", "", True),
    ],
)
def test_names_say_kind_unit_and_error(name: str, kind: str, unit: str, error: bool) -> None:
    said = parse_name(name)
    assert said is not None
    assert (said.filter_name, said.kind, said.unit, said.error, said.rest) == ("F555W", kind, unit, error, frozenset())


@pytest.mark.parametrize(
    ("name", "camera"),
    [
        ("ACS_F435W", "ACS_"),
        ("acs_wfc_f435w", "ACS_WFC"),
        ("wfc_F435W", "ACS_WFC"),
        ("hst.wfc3.F435W", "WFC3_"),
        ("F435W_UVIS", "WFC3_UVIS"),
        ("HST_WFC3_UVIS2.F435W", "WFC3_UVIS"),
        ("wfc3_ir_F435W", "WFC3_IR"),
        ("WFPC2_F435W", "WFPC2"),
        ("ACS_HRC_F435W", "ACS_HRC"),
    ],
)
def test_names_say_the_camera(name: str, camera: str) -> None:
    said = parse_name(name)
    assert said is not None
    assert said.camera == camera


@pytest.mark.parametrize("name", ["ra", "F555W_F814W", "F555W-F814W", "id", "V", "class"])
def test_other_names_are_no_bands(name: str) -> None:
    assert parse_name(name) is None


@pytest.mark.parametrize(("name", "rest"), [("F555W_snr", {"snr"}), ("M51_F555W_CI", {"m51", "ci"})])
def test_unknown_words_are_kept(name: str, rest: set[str]) -> None:
    said = parse_name(name)
    assert said is not None
    assert said.rest == rest
