from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table

from hpcflow.base.errors import InputError
from hpcflow.catalogues import galaxies as galaxies_module
from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.galaxies import (
    bands_of,
    distance_error_of,
    distance_of,
    galaxies,
    instrument_of,
    normalise_galaxy,
)
from hpcflow.catalogues.read import READERS, detect_format, read_catalogue
from hpcflow.catalogues.read_options import ReadOptions
from hpcflow.catalogues.units import check_colours
from hpcflow.config.load import load_config
from hpcflow.model.filters import shipped_curves
from hpcflow.model.zero_points import VEGA_TO_AB
from hpcflow.stages.build import model_fluxes
from hpcflow.stages.init import shipped_configs
from hpcflow.store.flags import Reason

UVIS = {name: f"WFC3_UVIS.{name}" for name in ("F275W", "F336W", "F438W", "F555W", "F814W")}
BOTH = UVIS | {f"ACS_{name}": f"ACS_WFC.{name}" for name in ("F435W", "F555W", "F814W")}
FLUX_MJY = 1.5e-3  # M_AB of -7.9 at 17.69 Mpc


def plain(n: int = 4, /, **changes: Any) -> Table:
    """A plain table of n clusters of NGC 1566 in five bands; changes replace or add columns, None removes."""
    columns: dict[str, object] = {"galaxy": ["ngc 1566"] * n, "cluster_id": np.arange(1, n + 1)}
    columns |= {"ra": np.full(n, 65.0), "dec": np.full(n, -54.9), "class": np.arange(n) % 2 + 1}
    for name in UVIS:
        columns |= {f"{name}_flux": np.full(n, FLUX_MJY), f"{name}_err": np.full(n, 1e-4)}
    columns |= changes
    return Table({name: values for name, values in columns.items() if values is not None})


def written(folder: Path, table: Table, name: str = "clusters.fits") -> Path:
    path = folder / name
    table.write(path)
    return path


def message(path: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        read_catalogue(path, UVIS, ReadOptions(**options))
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_good_catalogue_keeps_order_and_numbers(tmp_path: Path) -> None:
    catalogue = read_catalogue(written(tmp_path, plain()), UVIS)
    assert len(catalogue) == 4
    assert catalogue.bands == tuple(UVIS)
    assert set(catalogue.galaxy) == {"NGC1566"}
    assert catalogue.cluster_id.tolist() == ["1", "2", "3", "4"]
    assert catalogue.observed.all()
    assert np.all(catalogue.flux == FLUX_MJY)
    assert np.all(catalogue.distance == distance_of("NGC1566"))


@pytest.mark.parametrize(
    ("flux", "error", "reason"),
    [
        (np.nan, 1e-4, Reason.NOT_FINITE),
        (np.inf, 1e-4, Reason.NOT_FINITE),
        (-1e-4, 1e-4, Reason.NEGATIVE),
        (0.0, 1e-4, Reason.NEGATIVE),
        (FLUX_MJY, 0.0, Reason.BAD_ERROR),
        (FLUX_MJY, -1e-4, Reason.BAD_ERROR),
        (FLUX_MJY, np.nan, Reason.BAD_ERROR),
        (FLUX_MJY, np.inf, Reason.BAD_ERROR),
        (-9999.0, -9999.0, Reason.NO_COVERAGE),
    ],
)
def test_bad_numbers_are_masked_with_their_reason(tmp_path: Path, flux: float, error: float, reason: Reason) -> None:
    table = plain()
    table["F336W_flux"][1], table["F336W_err"][1] = flux, error
    catalogue = read_catalogue(written(tmp_path, table), UVIS)
    expected = np.zeros((4, 5), dtype=np.uint8)
    expected[1, 1] = reason
    assert np.array_equal(catalogue.reason, expected)
    assert np.array_equal(np.isnan(catalogue.flux), expected > 0)
    assert np.array_equal(np.isnan(catalogue.sigma), expected > 0)
    assert catalogue.counts()["F336W"] == {"OK": 3, reason.name: 1}


@pytest.mark.parametrize("flux", [-1e-4, 0.0])
def test_fluxes_below_zero_are_used_where_they_can_be_and_sound_otherwise(tmp_path: Path, flux: float) -> None:
    below = np.array([flux, FLUX_MJY, flux, -9999.0])
    error = np.array([1e-4, 1e-4, 0.0, 1e-4])
    path = written(tmp_path, plain(F275W_flux=below, F275W_err=error))
    catalogue = read_catalogue(path, UVIS, ReadOptions(negative=True))
    assert catalogue.reason[:, 0].tolist() == [Reason.OK, Reason.OK, Reason.BAD_ERROR, Reason.NO_COVERAGE]
    assert catalogue.flux[0, 0] == flux
    assert catalogue.sigma[0, 0] == 1e-4
    assert read_catalogue(path, UVIS).reason[0, 0] == Reason.NEGATIVE


def test_a_catalogue_with_nothing_above_zero_has_no_magnitudes(tmp_path: Path) -> None:
    path = written(tmp_path, plain(**{f"{name}_flux": np.full(4, -1e-4) for name in UVIS}))
    with pytest.raises(InputError, match="would be inf"):
        read_catalogue(path, UVIS, ReadOptions(negative=True))
    assert read_catalogue(path, UVIS, ReadOptions(negative=True, check_units=False)).observed.all()


def test_select_and_concatenate_undo_each_other(tmp_path: Path) -> None:
    table = plain(log_age=np.array([6.0, 7.0, 8.0, np.nan]))
    whole = read_catalogue(written(tmp_path, table), UVIS)
    joined = Catalogue.concatenate([whole.select(np.arange(4) < 2), whole.select(np.array([2, 3]))])
    assert joined.cluster_id.tolist() == whole.cluster_id.tolist()
    assert np.array_equal(joined.flux, whole.flux)
    assert np.array_equal(joined.published["log_age"], whole.published["log_age"], equal_nan=True)


def test_concatenate_fills_what_one_catalogue_does_not_publish(tmp_path: Path) -> None:
    one = read_catalogue(written(tmp_path, plain(log_age=np.full(4, 7.0)), "a.fits"), UVIS)
    two = read_catalogue(written(tmp_path, plain(galaxy=["NGC0685"] * 4), "b.fits"), UVIS)
    published = Catalogue.concatenate([one, two]).published["log_age"]
    assert np.array_equal(np.isnan(published), [False] * 4 + [True] * 4)


def test_concatenate_refuses_what_does_not_fit_together(tmp_path: Path) -> None:
    path = written(tmp_path, plain())
    one = read_catalogue(path, UVIS)
    two = read_catalogue(path, {"F275W": UVIS["F275W"], "F336W": UVIS["F336W"]}, ReadOptions(galaxy="NGC 685"))
    with pytest.raises(InputError, match="different bands"):
        Catalogue.concatenate([one, two])
    with pytest.raises(InputError, match="cluster 1 of NGC1566 occurs more than once"):
        Catalogue.concatenate([one, one])
    with pytest.raises(InputError, match=r"infer\.catalogues"):
        Catalogue.concatenate([])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "infer.catalogues" in message(tmp_path / "none.fits")
    assert "is not a file" in message(tmp_path)


def test_an_unknown_format_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, plain())
    text = message(path, format="sextractor")
    assert all(name in text for name in ("infer.format", *READERS))


@pytest.mark.parametrize("name", ["clusters.fits", "clusters.csv", "clusters.ecsv", "clusters.parquet"])
def test_a_broken_or_empty_file_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"")
    message(path)
    path.write_bytes(b"\x00\xff broken, not a table \x01\n" * 40)
    message(path)


def test_a_truncated_fits_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, plain(2000))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "truncated" in message(path)


def test_a_ragged_csv_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, plain(), "clusters.csv")
    path.write_text(path.read_text() + "1,2\n1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18\n")
    assert "truncated" in message(path)


def test_a_table_without_rows_is_named(tmp_path: Path) -> None:
    assert "has no rows" in message(written(tmp_path, plain()[:0]))
    assert "has no rows" in message(written(tmp_path, plain()[:0], "none.csv"))


def test_a_missing_band_is_named_with_those_there(tmp_path: Path) -> None:
    text = message(written(tmp_path, plain(F438W_flux=None)))
    assert "band F438W (WFC3_UVIS.F438W)" in text
    assert "F555W_flux" in text
    assert "cluster_id" not in text
    assert "infer.columns" in text


def test_a_missing_band_of_an_unknown_galaxy_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, plain(galaxy=["M 51"] * 4, F438W_flux=None))
    assert "band F438W" in message(path, distance_mpc={"M51": 8.6})


def test_a_band_of_the_other_instrument_may_be_missing(tmp_path: Path) -> None:
    catalogue = read_catalogue(written(tmp_path, plain()), BOTH)
    assert catalogue.observed.sum(axis=1).tolist() == [5] * 4
    assert np.all(catalogue.reason[:, 5:] == Reason.NO_BAND)


def test_no_usable_row_says_why(tmp_path: Path) -> None:
    text = message(written(tmp_path, plain(**{f"{name}_err": np.zeros(4) for name in list(UVIS)[1:]})))
    assert "two usable bands" in text
    assert "F275W: 4 OK; F336W: 4 BAD_ERROR" in text
    assert "check infer.columns" in text


def test_one_row_with_two_bands_is_enough(tmp_path: Path) -> None:
    table = plain(**{f"{name}_err": np.zeros(4) for name in list(UVIS)[1:]})
    table["F814W_err"][2] = 1e-4
    assert len(read_catalogue(written(tmp_path, table), UVIS)) == 4


def test_a_duplicate_is_named(tmp_path: Path) -> None:
    text = message(written(tmp_path, plain(cluster_id=[1, 2, 3, 2])))
    assert "cluster 2 of NGC1566" in text
    assert "infer.columns.cluster_id" in text


def test_the_same_identifier_in_two_galaxies_is_no_duplicate(tmp_path: Path) -> None:
    table = plain(galaxy=["ngc1566", "ngc0685"] * 2, cluster_id=[1, 1, 2, 2])
    assert len(read_catalogue(written(tmp_path, table), UVIS)) == 4


def test_classes_select(tmp_path: Path) -> None:
    path = written(tmp_path, plain())
    assert read_catalogue(path, UVIS, ReadOptions(classes=[2])).cluster_id.tolist() == ["2", "4"]
    text = message(path, classes=[3])
    assert "it has 1, 2" in text
    assert "infer.classes" in text


def test_distances_come_from_the_override_the_column_the_table_in_this_order(tmp_path: Path) -> None:
    own = written(tmp_path, plain(distance=[18.0, np.nan, -1.0, 18.5]))
    known = distance_of("NGC1566")
    assert read_catalogue(own, UVIS).distance.tolist() == [18.0, known, known, 18.5]
    assert read_catalogue(own, UVIS, ReadOptions(distance_mpc={"ngc1566": 21.0})).distance.tolist() == [21.0] * 4


def test_a_row_of_an_unknown_galaxy_without_distance_has_that_of_the_others(tmp_path: Path) -> None:
    path = written(tmp_path, plain(galaxy=["M51"] * 4, distance=[8.6, np.nan, 8.6, 8.6]))
    assert read_catalogue(path, UVIS).distance.tolist() == [8.6] * 4


def test_clusters_of_an_unknown_galaxy_wait_for_a_distance_and_refuse_no_other(tmp_path: Path) -> None:
    path = written(tmp_path, plain(galaxy=["ngc 1566", "ngc 1566", "M 51", "M 51"]))
    catalogue = read_catalogue(path, UVIS)
    assert np.isnan(catalogue.distance).tolist() == [False, False, True, True]
    assert catalogue.observed.all()
    (note,) = catalogue.notes
    assert note == "clusters.fits: 2 clusters of M51 wait for a distance: give one in infer.distance_mpc"
    catalogue.refuse_without_distance()
    with pytest.raises(InputError, match=r"the distance of M51 is unknown; set infer\.distance_mpc"):
        catalogue.select(np.array([2, 3])).refuse_without_distance()
    given = read_catalogue(path, UVIS, ReadOptions(distance_mpc={"M 51": 8.6}))
    assert given.distance[2] == 8.6
    assert not given.notes
    assert "infer.distance_mpc" in message(path, distance_mpc={"M 51": -8.6})


def test_luminosities_are_judged_by_the_clusters_with_a_distance(tmp_path: Path) -> None:
    flux = {f"{name}_flux": [1e-3, 1e-3, 1e-3, 1e9] for name in UVIS}
    path = written(tmp_path, plain(galaxy=["ngc 1566"] * 3 + ["M 51"], **flux))
    assert len(read_catalogue(path, UVIS)) == 4
    bright = written(tmp_path, plain(**{f"{name}_flux": np.full(4, 1e9) for name in UVIS}), "bright.fits")
    assert "median absolute AB magnitude" in message(bright)
    unknown = written(tmp_path, plain(galaxy=["M 51"] * 4, F275W_flux=np.full(4, 1e9)), "unknown.fits")
    assert np.isnan(read_catalogue(unknown, UVIS).distance).all()


def test_a_companion_is_as_far_as_its_galaxy_and_in_its_bands() -> None:
    assert distance_of("NGC 1510") == distance_of("NGC 1512") == 18.83
    assert distance_error_of("ngc1510") == distance_error_of("ngc1512")
    assert bands_of("NGC1510") == bands_of("NGC1512")
    assert instrument_of("NGC1510", "F438W") == "WFC3_UVIS"
    assert "NGC1510" not in galaxies()["galaxy"]  # it is no target of the survey: no mock, and no file of its own


@pytest.mark.parametrize("galaxy", ["ngc1566", "M 51"])
def test_a_catalogue_of_four_bands_masks_the_fifth_and_says_so(tmp_path: Path, galaxy: str) -> None:
    table = plain(galaxy=[galaxy] * 4, distance=np.full(4, 17.69), F438W_flux=None, F438W_err=None)
    path = written(tmp_path, table)
    assert "no flux and error columns for band F438W" in message(path)
    assert "trained with observe.missing above 0" in message(path)
    for bands in (UVIS, BOTH):
        catalogue = read_catalogue(path, bands, ReadOptions(may_lack=True))
        assert catalogue.observed.sum(axis=1).tolist() == [4] * 4
        assert set(catalogue.reason[:, 2].tolist()) == {Reason.NO_BAND}
        if bands is UVIS or galaxy == "ngc1566":  # in which bands of two cameras M 51 was observed is unknown
            assert catalogue.notes == ("clusters.fits lacks F438W: it is masked for all its clusters",)


def test_a_band_under_a_name_that_is_not_recognised_is_not_masked(tmp_path: Path) -> None:
    table = plain(F438W_flux=None, f438w_magnitude=np.full(4, 22.0))
    text = message(written(tmp_path, table), may_lack=True)
    assert "band F438W (WFC3_UVIS.F438W)" in text
    assert "f438w_magnitude" in text
    assert text.endswith("name them in infer.columns (format table)")


def test_one_band_is_too_few_whatever_may_be_lacking(tmp_path: Path) -> None:
    gone = {f"{name}_{kind}": None for name in list(UVIS)[1:] for kind in ("flux", "err")}
    text = message(written(tmp_path, plain(**gone)), may_lack=True)
    assert "no flux and error columns for bands F336W" in text
    assert "at least two bands of model.bands are needed" in text


def test_classes_that_a_table_lacks_are_no_reason_to_look_for_others(tmp_path: Path) -> None:
    text = message(written(tmp_path, plain(**{"class": None})), classes=[1, 2])
    assert "set infer.classes to null" in text


@pytest.mark.parametrize(("factor", "unit"), [(1e-3, "Jy"), (1e3, "uJy"), (1e6, "nJy")])
def test_fluxes_in_another_unit_are_found_out(tmp_path: Path, factor: float, unit: str) -> None:
    table = plain(**{f"{name}_{kind}": np.full(4, factor * 1e-3) for name in UVIS for kind in ("flux", "err")})
    path = written(tmp_path, table)
    text = message(path)
    assert "median absolute AB magnitude" in text
    assert all(part in text for part in (f"if they are {unit}", "infer.unit", "infer.check_units: false", "mJy"))
    assert np.allclose(read_catalogue(path, UVIS, ReadOptions(unit=unit)).flux, 1e-3)
    assert np.allclose(read_catalogue(path, UVIS, ReadOptions(check_units=False)).flux, factor * 1e-3)


def test_a_wrong_unit_option_is_found_out_too(tmp_path: Path) -> None:
    path = written(tmp_path, plain())
    assert "(-7.8 if they are mJy)" in message(path, unit="Jy")
    assert "if they are" not in message(path, unit="AB")


def test_the_galaxy_may_be_told(tmp_path: Path) -> None:
    catalogue = read_catalogue(written(tmp_path, plain()), UVIS, ReadOptions(galaxy="ngc 685"))
    assert set(catalogue.galaxy) == {"NGC0685"}


def test_formats_are_told_apart(tmp_path: Path) -> None:
    assert detect_format(written(tmp_path, plain())) == "table"
    assert detect_format(written(tmp_path, Table({"PHANGS_RA": [1.0]}), "other.fits")) == "phangs"
    assert detect_format(tmp_path / "hlsp_legus_hst_wfc3_ngc1566_multiband_v1_x.tab") == "legus"
    (tmp_path / "clusters.tab").write_text("1 2 3")
    assert "convert it to one of .fits" in message(tmp_path / "clusters.tab")


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("ngc 1566", "NGC1566"),
        ("NGC1566", "NGC1566"),
        ("ngc628-c", "NGC0628C"),
        ("ngc0628e", "NGC0628E"),
        ("NGC_685", "NGC0685"),
        ("ic5332", "IC5332"),
        (" m 51 ", "M51"),
        ("eso486-g021", "ESO486-G021"),
    ],
)
def test_names_of_galaxies(name: str, normal: str) -> None:
    assert normalise_galaxy(name) == normal
    assert normalise_galaxy(normal) == normal


def test_the_galaxies_table_is_whole() -> None:
    table = galaxies()
    assert len(table) == 39  # 38 galaxies, NGC 628 in two pointings
    for row in table:
        name = str(row["galaxy"])
        assert normalise_galaxy(name) == name
        assert 4 < (distance_of(name) or 0) < 24
        assert set(bands_of(name) or ()) <= set(shipped_curves())


def test_instruments() -> None:
    assert instrument_of("NGC1566", "F438W") == "WFC3_UVIS"
    assert instrument_of("NGC1566", "F435W") is None
    assert instrument_of("NGC0628C", "F555W") == "ACS_WFC"
    assert instrument_of("NGC0628E", "F555W") == "WFC3_UVIS"
    assert instrument_of("M51", "F555W") is None


def test_a_galaxy_of_two_pointings_is_known_by_its_own_name() -> None:
    assert distance_of("ngc 628") == distance_of("NGC0628C")
    assert instrument_of("ngc 628", "F435W") == "ACS_WFC"
    assert instrument_of("ngc 628", "F555W") is None  # they differ
    assert distance_of("ngc 62") is None


def test_the_callers_copy_of_the_galaxies_table_is_his_own() -> None:
    table = galaxies()
    table["distance"][:] = 0
    assert np.all(galaxies()["distance"] > 0)
    assert galaxies_module.FILE.is_file()


def test_distances_of_the_table_have_errors_and_legus_is_an_alternative(tmp_path: Path) -> None:
    path = written(tmp_path, plain())
    catalogue = read_catalogue(path, UVIS)
    assert catalogue.distance_error.tolist() == [0.047] * 4
    assert read_catalogue(path, UVIS, ReadOptions(distances="legus")).distance.tolist() == [18.0] * 4
    assert (
        read_catalogue(path, UVIS, ReadOptions(distance_error_dex={"ngc1566": 0.1})).distance_error.tolist()
        == [0.1] * 4
    )
    other = written(tmp_path, plain(galaxy=["M 31"] * 4, distance=np.full(4, 15.0)), "other.fits")
    assert read_catalogue(other, UVIS).distance_error.tolist() == [0.0] * 4
    assert "infer.distance_error_dex" in message(path, distance_error_dex={"NGC1566": -0.1})


def test_every_galaxy_of_the_survey_has_a_distance_with_an_error() -> None:
    names = galaxies()["galaxy"].tolist()
    assert len({name.rstrip("CE") if name.startswith("NGC0628") else name for name in names}) == 38
    assert all((distance_error_of(name) or 0) > 0 for name in names)
    assert distance_of("NGC1433", "legus") == 8.3


def models() -> np.ndarray:
    """Fluxes in five bands of ages and reddenings: a strip of colours."""
    age, ebv = np.meshgrid(np.linspace(0, 1, 40), np.linspace(0, 1, 40), indexing="ij")
    blue = np.arange(5)[None] * (0.5 * age.ravel()[:, None] + 0.8 * ebv.ravel()[:, None])
    return np.asarray(10 ** (-0.4 * (20 - blue)))


def coloured(n: int, shift: list[float]) -> Table:
    """Clusters whose magnitudes are those of the model in the middle, moved by so much in each band."""
    magnitude = -2.5 * np.log10(models()[820]) + shift
    fluxes = FLUX_MJY * 10 ** (-0.4 * (magnitude - magnitude.mean()))
    return plain(n, **{f"{name}_flux": np.full(n, value) for name, value in zip(UVIS, fluxes, strict=True)})


def test_colours_that_no_model_has_are_refused(tmp_path: Path) -> None:
    good, wrong = coloured(60, [0.0] * 5), coloured(60, [1.5, 1.2, -0.2, 0.0, 0.4])
    assert len(read_catalogue(written(tmp_path, good), UVIS, ReadOptions(model_fluxes=models()))) == 60
    path = written(tmp_path, wrong, "vega.fits")
    assert "no model has the median colours of its 60 clusters" in message(path, model_fluxes=models())
    assert len(read_catalogue(path, UVIS, ReadOptions(model_fluxes=models(), check_units=False))) == 60
    assert len(read_catalogue(path, UVIS)) == 60
    few = written(tmp_path, wrong[:20], "few.fits")
    assert len(read_catalogue(few, UVIS, ReadOptions(model_fluxes=models()))) == 20


def test_colours_of_clusters_that_lack_a_band_are_not_held_against_the_rest(tmp_path: Path) -> None:
    table = coloured(160, [0.0] * 5)
    table["F275W_flux"][:60] = -9999
    table["F336W_flux"][:60] *= 3
    assert len(read_catalogue(written(tmp_path, table), UVIS, ReadOptions(model_fluxes=models()))) == 160


@pytest.mark.parametrize("name", ["ngc1566", "ngc628-c"])
@pytest.mark.parametrize("wrong", [1.0, -1.0])
def test_real_catalogues_have_colours_of_models_and_with_vega_for_ab_they_have_not(
    name: str, wrong: float, legus: Callable[[str], Path]
) -> None:
    found = legus(name)
    config = load_config(shipped_configs()["phangs"])
    bands, model = config.model.bands, model_fluxes(config)
    assert model is not None
    catalogue = read_catalogue(found, bands, ReadOptions(classes=[1, 2], model_fluxes=model))
    offset = np.array([VEGA_TO_AB[curve] for curve in bands.values()])
    with pytest.raises(InputError, match="no model has the median colours"):
        check_colours(catalogue.flux * 10 ** (0.4 * wrong * offset), model, catalogue.bands, "here", "AB")
