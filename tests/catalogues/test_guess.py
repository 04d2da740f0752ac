from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table

from hpcflow.base.errors import InputError
from hpcflow.catalogues.guess import Guess, Told, guess
from hpcflow.catalogues.phangs import write_phangs

FILTERS = ("F275W", "F336W", "F438W", "F555W", "F814W")


def guessed(folder: Path, columns: list[str], units: dict[str, str] | None = None, /, **told: Any) -> Guess:
    """Return the guess of a table with these columns, all of which have a 1."""
    table = Table({name: [1.0] for name in columns})
    for name, unit in (units or {}).items():
        table[name].unit = unit
    table.write(folder / "mine.ecsv", overwrite=True)
    return guess(folder / "mine.ecsv", Told(**told))


def named(value: str, error: str, filters: tuple[str, ...] = FILTERS) -> list[str]:
    return ["galaxy", *(form.format(name) for name in filters for form in (value, error))]


@pytest.mark.parametrize(
    ("value", "error", "told", "unit"),
    [
        ("{}_flux_mJy", "{}_flux_mJy_err", None, "mJy"),
        ("flux_{}_ujy", "eflux_{}_ujy", None, "uJy"),
        ("{}_nJy", "sigma_{}_nJy", None, "nJy"),
        ("{}_mag_vega", "{}_emag_vega", None, "Vega"),
        ("WFC3_UVIS_{}_AB", "WFC3_UVIS_{}_AB_unc", None, "AB"),
        ("ABmag_{}", "ABmagerr_{}", None, "AB"),
        ("{}mag", "e_{}mag", "Vega", "Vega"),  # as in VizieR
        ("hst.wfc3.{}", "hst.wfc3.{}_err", "mJy", "mJy"),  # as in CIGALE
        ("mag_{}", "magerr_{}", "AB", "AB"),
        ("PHANGS_{}_VEGA_TOT", "PHANGS_{}_VEGA_TOT_ERR", None, "Vega"),
        ("M83_{}_mJy", "M83_{}_mJy_error", None, "mJy"),
    ],
)
def test_naming_schemes(tmp_path: Path, value: str, error: str, told: str | None, unit: str) -> None:
    found = guessed(tmp_path, named(value, error), unit=told, format="table")
    assert found.bands == {name: f"WFC3_UVIS.{name}" for name in FILTERS}
    assert found.columns == {
        "galaxy": "galaxy",
        **{name: [value.format(name), error.format(name)] for name in FILTERS},
    }
    assert found.unit == unit
    assert not found.left_out


def test_headers_say_units(tmp_path: Path) -> None:
    columns = named("{}", "{}_err")
    found = guessed(tmp_path, columns, dict.fromkeys(columns[1:], "uJy"))
    assert found.unit is None
    assert list(found.bands) == list(FILTERS)
    assert guessed(tmp_path, columns, dict.fromkeys(columns[1:], "mag(AB)")).unit is None
    assert guessed(tmp_path, columns, dict.fromkeys(columns[1:], "VEGAMAG")).unit is None
    with pytest.raises(InputError, match=r"F275W is in Vega or AB magnitudes; give --set infer\.unit=Vega"):
        guessed(tmp_path, columns, dict.fromkeys(columns[1:], "mag"))
    found = guessed(
        tmp_path, [*columns, "F656N", "F814W_rate"], {columns[1]: "uJy", "F814W_rate": "electron / s"}, unit="mJy"
    )
    assert found.unit == "mJy"
    assert "unit electron / s" in found.left_out["F814W_rate"]


def test_a_camera_is_taken_from_names_or_from_filters_of_one_camera(tmp_path: Path) -> None:
    acs = ("F275W", "F336W", "F435W", "F555W", "F814W")
    found = guessed(tmp_path, named("{}_mJy", "{}_mJy_err", acs))
    assert list(found.bands.values())[2:] == ["ACS_WFC.F435W", "ACS_WFC.F555W", "ACS_WFC.F814W"]
    assert found.notes == ("F555W, F814W: of ACS_WFC, as F435W suggests; model.bands can say otherwise",)
    both = [*named("{}_mJy", "{}_mJy_err"), *named("ACS_{}_mJy", "ACS_{}_mJy_err", acs[2:])[1:]]
    found = guessed(tmp_path, both, bands={"F814W": "WFC3_UVIS.F814W", "F555W": "WFC3_UVIS.F555W"})
    assert found.bands["ACS_F555W"] == "ACS_WFC.F555W"
    assert found.columns["F555W"] == ["F555W_mJy", "F555W_mJy_err"]
    assert found.bands["F435W"] == "ACS_WFC.F435W"
    assert not found.notes


def test_columns_that_are_no_bands_are_left_out_with_the_reason(tmp_path: Path) -> None:
    more = ["F656N_vega", "e_F656N_vega", "F606W_vega", "e_F606W_vega", "F555W_CI", "F555W_snr", "F555W_F814W"]
    found = guessed(tmp_path, [*named("{}_vega", "e_{}_vega"), *more])
    assert list(found.bands) == sorted([*FILTERS, "F606W"])
    assert found.left_out == {
        "F656N_vega": "no curve of F656N is shipped; give one by --set model.bands.F656N=FILE",
        "F555W_CI": "ci is not known to be a flux or a magnitude",
        "F555W_snr": "snr is not known to be a flux or a magnitude",
    }
    acs = guessed(tmp_path, named("ACS_{}_vega", "ACS_{}_evega", ("F435W", "F555W", "F606W", "F814W")))
    assert list(acs.bands) == ["F435W", "F555W", "F606W", "F814W"]
    assert acs.left_out == {}
    mine = guessed(tmp_path, named("{}_vega", "{}_evega"), bands={"F555W": "mine/F555W.dat"})
    assert list(mine.bands) == [name for name in FILTERS if name != "F555W"]
    assert mine.left_out == {"F555W_vega": "the Vega zero point of mine/F555W.dat is not known"}
    jwst = guessed(tmp_path, named("NIRCam_{}_vega", "NIRCam_{}_evega", ("F150W", "F200W", "F300M")))
    assert list(jwst.bands.values()) == ["NIRCAM.F150W", "NIRCAM.F200W", "NIRCAM.F300M"]


def test_usual_names_of_other_columns(tmp_path: Path) -> None:
    photometry = named("{}_mJy", "{}_mJy_err")[1:]
    found = guessed(tmp_path, ["ID", "RAJ2000", "DEJ2000", "dist", "Class", *photometry])
    others = {key: name for key, name in found.columns.items() if isinstance(name, str)}
    assert others == {
        "cluster_id": "ID",
        "ra": "RAJ2000",
        "dec": "DEJ2000",
        "distance": "dist",
        "cluster_class": "Class",
    }
    assert found.galaxy == "mine"
    assert guessed(tmp_path, ["host", *photometry], galaxy="M83").columns.keys() == {*FILTERS}
    assert guessed(tmp_path, photometry, distance_mpc={"M83": 4.9}).galaxy == "M83"


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (
            named("{}", "{}_err"),
            r"nothing says the unit of F275W; give --set infer\.unit=mJy, or Jy, uJy, nJy, AB, Vega",
        ),
        (
            named("{}_flux", "{}_err"),
            r"nothing says the unit of F275W_flux; give --set infer\.unit=mJy, or Jy, uJy, nJy$",
        ),
        (named("{}_mag", "{}_err"), "F275W_mag is in Vega or AB magnitudes"),
        (
            [*named("{}_mJy", "{}_err", FILTERS[:3]), "F555W_vega", "F555W_err"],
            "F275W_mJy is in mJy, F555W_vega is in Vega",
        ),
        ([*named("{}_mag", "{}_magerr"), *named("{}_flux", "{}_fluxerr")[1:]], r"F275W can be read from .* or for all"),
        ([*named("{}_mJy", "{}_err"), "e_F555W"], r'F555W_err\] or .*; say which by --set "infer\.columns\.F555W=\['),
        ([*named("{}_mJy", "{}_err", FILTERS[:4]), "F814W_mJy"], "no column has the errors of F814W_mJy; add one"),
        (named("{}_mJy", "{}_err", FILTERS[:2]), "at least three bands .* recognised are F275W_mJy, F336W_mJy; name"),
        (named("{}_mJy", "{}_err", ("F275W", "F336W", "F656N")), "F656N_mJy is left out: no curve of F656N is shipped"),
        (
            named("{}_mJy", "{}_err", ("F555W", "F606W", "F814W")),
            r"may be of ACS or .*model\.bands\.F555W=ACS_WFC\.F555W",
        ),
        (named("{}_mJy", "{}_err")[1:], r"neither a galaxy nor a distance .* --set infer\.galaxy=NGC1566"),
    ],
)
def test_what_cannot_be_guessed_is_asked_for(tmp_path: Path, columns: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words) as error:
        guessed(tmp_path, columns)
    assert "mine.ecsv" in str(error.value)


def test_a_unit_that_is_told_chooses_among_columns(tmp_path: Path) -> None:
    columns = [*named("{}_mag", "{}_magerr"), *named("{}_flux", "{}_fluxerr")[1:]]
    assert guessed(tmp_path, columns, unit="Vega").columns["F555W"] == ["F555W_mag", "F555W_magerr"]
    found = guessed(tmp_path, columns, unit="uJy")
    assert found.columns["F555W"] == ["F555W_flux", "F555W_fluxerr"]
    assert found.left_out["F555W_mag"] == "[F555W_flux, F555W_fluxerr] is taken instead"


def test_columns_that_are_told_are_taken(tmp_path: Path) -> None:
    columns = [*named("{}_mJy", "{}_err"), "F555W_mJy_old", "F555W_err_old", "v", "e_v"]
    told = {"F555W": ["F555W_mJy_old", "F555W_err_old"], "NUV": ["v", "e_v"], "log_age": "galaxy"}
    found = guessed(tmp_path, columns, columns=told, bands={"NUV": "WFC3_UVIS.F275W"}, unit="mJy")
    assert found.columns == {
        "galaxy": "galaxy",
        "log_age": "galaxy",
        "NUV": ["v", "e_v"],
        **{name: [f"{name}_mJy", f"{name}_err"] for name in ("F336W", "F438W", "F814W")},
        "F555W": ["F555W_mJy_old", "F555W_err_old"],
    }
    assert found.bands["NUV"] == "WFC3_UVIS.F275W"
    with pytest.raises(InputError, match=r"no curve of band V; give one by --set model\.bands\.V=CURVE"):
        guessed(tmp_path, columns, columns={"V": ["v", "e_v"]})
    with pytest.raises(InputError, match=r"no column v2, which infer\.columns\.F555W names"):
        guessed(tmp_path, columns, columns={"F555W": ["v2", "e_v"]})


def test_phangs_tables_have_the_bands_of_their_galaxies(tmp_path: Path) -> None:
    path = tmp_path / "phangs.fits"
    flux = {name: np.full(2, 1e-3) for name in ("F275W", "F336W", "F435W", "F438W", "F555W", "F814W")}
    write_phangs(
        path,
        galaxy=np.array(["NGC1566", "NGC0628C"]),
        cluster_id=np.array([1, 2]),
        ra=np.zeros(2),
        dec=np.zeros(2),
        flux=flux,
        sigma=flux,
        cluster_class=np.ones(2, dtype=int),
    )
    found = guess(path)
    assert found.format == "phangs"
    assert found.bands["F555W"] == "WFC3_UVIS.F555W"
    assert found.bands["ACS_F814W"] == "ACS_WFC.F814W"
    assert list(found.band_sets) == [
        ["F275W", "F336W", "F435W", "ACS_F555W", "ACS_F814W"],
        ["F275W", "F336W", "F438W", "F555W", "F814W"],
    ]


@pytest.mark.parametrize(("galaxy", "camera"), [("ngc1566", "WFC3_UVIS"), ("ngc628-c", "ACS_WFC")])
def test_legus_tables_are_known(legus: Callable[[str], Path], galaxy: str, camera: str) -> None:
    found = guess(legus(galaxy))
    assert found.format == "legus"
    assert found.bands["F555W"] == f"{camera}.F555W"
    assert len(found.bands) == 5
