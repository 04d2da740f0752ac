from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, Table

from hpcflow.base.errors import InputError
from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.read import read_catalogue
from hpcflow.catalogues.read_options import ReadOptions
from hpcflow.catalogues.units import to_mjy
from hpcflow.model.zero_points import AB_ZERO_MJY, VEGA_TO_AB
from hpcflow.store.flags import Reason

BANDS = {"F336W": "WFC3_UVIS.F336W", "F555W": "WFC3_UVIS.F555W"}
FLUX = np.array([1e-3, 2e-3, 4e-3])


def table(value: str = "{}_flux", error: str = "{}_err", bands: tuple[str, ...] = tuple(BANDS)) -> Table:
    columns: dict[str, object] = {"galaxy": ["NGC1566"] * 3, "cluster_id": ["a", "b", "c"]}
    for name in bands:
        columns |= {value.format(name): FLUX, error.format(name): FLUX / 10}
    return Table(columns)


def read(folder: Path, rows: Table, name: str = "t.fits", bands: dict[str, str] = BANDS, **options: Any) -> Catalogue:
    rows.write(folder / name, overwrite=True)
    return read_catalogue(folder / name, bands, ReadOptions(format="table", **options))


@pytest.mark.parametrize("name", ["t.fits", "t.fits.gz", "t.csv", "t.ecsv", "t.parquet"])
def test_every_kind_of_file_gives_the_same(tmp_path: Path, name: str) -> None:
    catalogue = read(tmp_path, table(), name)
    assert catalogue.cluster_id.tolist() == ["a", "b", "c"]
    assert np.allclose(catalogue.flux, FLUX[:, None], rtol=1e-12)
    assert np.allclose(catalogue.sigma, FLUX[:, None] / 10, rtol=1e-12)
    assert np.all(catalogue.cluster_class == -1)
    assert np.isnan(catalogue.ra).all()


@pytest.mark.parametrize("names", [("{}_flux", "{}_err"), ("flux_{}", "err_{}"), ("{}", "{}_err")])
def test_default_names_of_bands(tmp_path: Path, names: tuple[str, str]) -> None:
    assert np.allclose(read(tmp_path, table(*names)).flux, FLUX[:, None])


def test_names_are_found_whatever_their_capitals(tmp_path: Path) -> None:
    rows = table()
    rows.rename_columns(rows.colnames, [name.lower() for name in rows.colnames])
    assert read(tmp_path, rows).observed.all()


def test_a_column_map(tmp_path: Path) -> None:
    rows = table("mag{}", "dmag{}")
    rows.rename_columns(["galaxy", "cluster_id"], ["host", "number"])
    rows["d"], rows["type"] = 20.0, [1, 2, 3]
    bands: dict[str, object] = {name: [f"mag{name}", f"dmag{name}"] for name in BANDS}
    columns: dict[str, object] = {
        "galaxy": "host",
        "cluster_id": "number",
        "distance": "d",
        "class": "type",
    } | bands
    catalogue = read(tmp_path, rows, columns=columns)
    assert catalogue.galaxy.tolist() == ["NGC1566"] * 3
    assert catalogue.distance.tolist() == [20.0] * 3
    assert catalogue.cluster_class.tolist() == [1, 2, 3]
    assert np.allclose(catalogue.flux, FLUX[:, None])


@pytest.mark.parametrize("key", ["cluster_class", "class"])
def test_the_column_of_classes_may_have_any_name(tmp_path: Path, key: str) -> None:
    rows = table()
    rows["morphology"] = [1, 3, -99]
    assert read(tmp_path, rows, columns={key: "morphology"}).cluster_class.tolist() == [1, 3, -1]
    assert read(tmp_path, rows, columns={key: "morphology"}, classes=[1]).cluster_id.tolist() == ["a"]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"ra": "alpha"}, r"no column alpha, which infer\.columns\.ra names"),
        ({"F336W": "F336W_flux"}, r"infer\.columns\.F336W .*\[flux column, error column\]"),
        ({"F336W": ["F336W_flux", "nothing"]}, r"no column nothing, which infer\.columns\.F336W names"),
        ({"F999W": ["F336W_flux", "F336W_err"]}, r"F999W, which is neither a band of model\.bands"),
        ({"ra": ["a", "b"]}, r"infer\.columns\.ra .* must be one column name"),
    ],
)
def test_a_wrong_column_map_is_named(tmp_path: Path, columns: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        read(tmp_path, table(), columns=columns)
    assert "t.fits" in str(caught.value)


def test_a_table_without_galaxy_needs_one(tmp_path: Path) -> None:
    rows = table()
    rows.remove_columns(["galaxy", "cluster_id"])
    with pytest.raises(InputError, match=r"infer\.galaxy"):
        read(tmp_path, rows)
    assert read(tmp_path, rows, galaxy="NGC1566").cluster_id.tolist() == ["1", "2", "3"]


@pytest.mark.parametrize(("unit", "factor"), [("mJy", 1), ("Jy", 1e3), ("uJy", 1e-3), ("nJy", 1e-6)])
def test_flux_units(tmp_path: Path, unit: str, factor: float) -> None:
    rows = table()
    for name in rows.colnames[2:]:
        rows[name] /= factor
    assert np.allclose(read(tmp_path, rows, unit=unit).sigma, FLUX[:, None] / 10)


@pytest.mark.parametrize("name", ["t.fits", "t.ecsv"])
def test_units_of_columns_go_before_the_option(tmp_path: Path, name: str) -> None:
    rows = table()
    rows["F336W_flux"] *= 1e3
    rows["F336W_flux"].unit, rows["F336W_err"].unit = u.uJy, u.mJy
    catalogue = read(tmp_path, rows, name, unit="mJy")
    assert np.allclose(catalogue.flux, FLUX[:, None])
    assert np.allclose(catalogue.sigma, FLUX[:, None] / 10)


def test_an_error_without_a_unit_is_in_that_of_its_flux(tmp_path: Path) -> None:
    rows = table()
    for name in ("F336W_flux", "F336W_err"):
        rows[name] *= 1e3
    rows["F336W_flux"].unit = u.uJy
    assert np.allclose(read(tmp_path, rows).sigma, FLUX[:, None] / 10)


@pytest.mark.parametrize("unit", [u.ct, u.mag, u.m])
def test_a_unit_that_is_no_flux_is_named(tmp_path: Path, unit: u.UnitBase) -> None:
    rows = table()
    rows["F336W_flux"].unit = unit
    with pytest.raises(InputError, match=r"F336W_flux is in .*infer\.unit"):
        read(tmp_path, rows)


def test_an_unknown_unit_is_named(tmp_path: Path) -> None:
    for unit in ("furlong", "kg"):
        with pytest.raises(InputError, match=rf"infer\.unit {unit} is none of mJy"):
            read(tmp_path, table(), unit=unit)


@pytest.mark.parametrize("system", ["AB", "Vega"])
@pytest.mark.parametrize("unit", [None, u.mag])
def test_magnitudes(tmp_path: Path, system: str, unit: u.UnitBase | None) -> None:
    rows = table()
    for name, curve in BANDS.items():
        offset = VEGA_TO_AB[curve] if system == "Vega" else 0.0
        rows[f"{name}_flux"] = -2.5 * np.log10(FLUX / AB_ZERO_MJY) - offset
        rows[f"{name}_err"] = 0.1 * 2.5 / np.log(10)
        rows[f"{name}_flux"].unit = rows[f"{name}_err"].unit = unit
    catalogue = read(tmp_path, rows, unit=system)
    assert np.allclose(catalogue.flux, FLUX[:, None])
    assert np.allclose(catalogue.sigma, FLUX[:, None] / 10)


@pytest.mark.parametrize("unit", ["VEGAMAG", "mag(Vega)", "ABMAG", "mag(AB)"])
def test_a_header_may_say_the_system_of_magnitudes(tmp_path: Path, unit: str) -> None:
    rows = table()
    for name, curve in BANDS.items():
        offset = VEGA_TO_AB[curve] if "ega" in unit.lower() else 0.0
        rows[f"{name}_flux"] = -2.5 * np.log10(FLUX / AB_ZERO_MJY) - offset
        rows[f"{name}_err"] = 0.1 * 2.5 / np.log(10)
        rows[f"{name}_flux"].unit = rows[f"{name}_err"].unit = u.Unit(unit, parse_strict="silent")
    assert np.allclose(read(tmp_path, rows, "t.ecsv", check_units=False).flux, FLUX[:, None])


def test_marks_among_magnitudes(tmp_path: Path) -> None:
    rows = table()
    for name in rows.colnames[2:]:
        rows[name] = 23.0 if name.endswith("flux") else 0.1
    rows["F336W_flux"][:2] = 99.999, 66.666
    reason = read(tmp_path, rows, unit="AB").reason
    assert reason[:, 0].tolist() == [Reason.NOT_DETECTED, Reason.NO_COVERAGE, Reason.OK]
    rows["F336W_flux"], rows["F336W_err"] = [-99.0, -9999.0, 23.0], [-99.0, 0.1, 0.1]
    reason = read(tmp_path, rows, unit="AB").reason
    assert reason[:, 0].tolist() == [Reason.NO_COVERAGE, Reason.NO_COVERAGE, Reason.OK]
    rows["F336W_flux"], rows["F336W_err"] = [23.0, 99.0, 23.0], [99.999, 99.0, 0.1]
    reason = read(tmp_path, rows, unit="AB").reason
    assert reason[:, 0].tolist() == [Reason.NOT_DETECTED, Reason.NOT_DETECTED, Reason.OK]


def test_marks_among_fluxes_that_may_be_negative(tmp_path: Path) -> None:
    rows = table()
    rows["F336W_flux"], rows["F336W_err"] = [-99.0, -999.0, -1e-4], [0.1, 0.1, 1e-4]
    rows["F555W_flux"][0], rows["F555W_err"][0] = 99.999, 99.999
    catalogue = read(tmp_path, rows, negative=True)
    assert catalogue.reason[:, 0].tolist() == [Reason.NO_COVERAGE, Reason.NO_COVERAGE, Reason.OK]
    assert catalogue.reason[:, 1].tolist() == [Reason.NOT_DETECTED, Reason.OK, Reason.OK]


@pytest.mark.parametrize("sentinel", [-99.0, -999.0, -9999.0, 66.666, 99.999])
def test_published_sentinels_are_nothing(tmp_path: Path, sentinel: float) -> None:
    rows = table()
    for name in ("log_age", "log_mass", "ebv", "chi2"):
        rows[name] = [1.5, sentinel, 2.5]
    published = read(tmp_path, rows).published
    for values in published.values():
        np.testing.assert_array_equal(values, [1.5, np.nan, 2.5])
    rows["log_age"] = [1e7, sentinel, 1e9] * u.yr
    np.testing.assert_array_equal(read(tmp_path, rows, "t.ecsv").published["log_age"], [7.0, np.nan, 9.0])


def test_vega_magnitudes_need_a_known_offset() -> None:
    with pytest.raises(InputError, match=r"mine/F606W.dat have no known offset to AB; give fluxes"):
        to_mjy(FLUX, FLUX, "Vega", curve="mine/F606W.dat")
    with pytest.raises(InputError, match="an unnamed curve"):
        to_mjy(FLUX, FLUX, "Vega")


def test_ab_magnitudes_agree_with_astropy() -> None:
    flux, _ = to_mjy(np.array([23.0]), np.array([0.1]), "AB")
    assert np.allclose(flux, (23.0 * u.ABmag).to_value(u.mJy), rtol=1e-4)


@pytest.mark.parametrize("name", ["t.fits", "t.csv", "t.ecsv", "t.parquet"])
def test_masked_cells_are_not_finite(tmp_path: Path, name: str) -> None:
    rows = table()
    rows["F336W_flux"] = MaskedColumn(FLUX, mask=[True, False, False])
    catalogue = read(tmp_path, rows, name)
    assert catalogue.reason[:, 0].tolist() == [Reason.NOT_FINITE, Reason.OK, Reason.OK]
    assert catalogue.observed[:, 1].all()


def test_text_in_one_cell_does_not_stop_the_others(tmp_path: Path) -> None:
    rows = table()
    rows["F336W_flux"] = ["n/a", "2e-3", "4e-3"]
    catalogue = read(tmp_path, rows, "t.csv")
    assert catalogue.reason[:, 0].tolist() == [Reason.NOT_FINITE, Reason.OK, Reason.OK]
    assert np.allclose(catalogue.flux[1:, 0], FLUX[1:])


def test_a_filters_column_is_the_band_of_the_instrument_that_took_it(tmp_path: Path) -> None:
    bands = {"F336W": "WFC3_UVIS.F336W", "F555W": "WFC3_UVIS.F555W", "ACS_F555W": "ACS_WFC.F555W"}
    rows = table()
    rows["galaxy"] = ["NGC1566", "NGC0628C", "M51"]
    observed = read(tmp_path, rows, bands=bands, distance_mpc={"M51": 8.6}).observed
    assert observed.tolist() == [[True, True, False], [True, False, True], [True, True, False]]


def test_a_column_of_the_label_or_of_the_map_is_taken_as_it_stands(tmp_path: Path) -> None:
    bands = {"F336W": "WFC3_UVIS.F336W", "ACS_F555W": "ACS_WFC.F555W"}
    assert read(tmp_path, table(bands=("F336W", "ACS_F555W")), bands=bands).observed.all()
    assert read(tmp_path, table(), bands=bands, columns={"ACS_F555W": ["F555W_flux", "F555W_err"]}).observed.all()


def test_a_curve_of_the_users_own_matches_by_its_label(tmp_path: Path) -> None:
    rows = table()
    rows["galaxy"] = ["NGC1566", "NGC0628C", "NGC0628C"]
    assert read(tmp_path, rows, bands={"F336W": "my/u.txt", "F555W": "my/v.txt"}).observed.all()
    with pytest.raises(InputError, match=r"band G \(my/g.txt\)"):
        read(tmp_path, rows, bands={"F336W": "my/u.txt", "G": "my/g.txt"})


def test_published_parameters(tmp_path: Path) -> None:
    rows = table()
    rows["log_age"], rows["ebv"] = [6.0, 7.0, np.nan], [0.1, 0.2, 0.3]
    published = read(tmp_path, rows).published
    assert set(published) == {"log_age", "ebv"}
    assert np.array_equal(published["log_age"], [6.0, 7.0, np.nan], equal_nan=True)


def test_a_distance_in_kpc_is_converted(tmp_path: Path) -> None:
    rows = table()
    rows["distance"] = [17_690.0] * 3 * u.kpc
    assert read(tmp_path, rows, "t.ecsv").distance.tolist() == pytest.approx([17.69] * 3)


def test_a_distance_in_magnitudes_is_refused(tmp_path: Path) -> None:
    rows = table()
    rows["distance"] = [31.2] * 3 * u.mag
    with pytest.raises(InputError, match="column distance is in mag, but it must be in Mpc"):
        read(tmp_path, rows, "t.ecsv")
