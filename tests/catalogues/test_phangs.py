from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table

from hpcflow.base.errors import InputError
from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.phangs import write_phangs
from hpcflow.catalogues.read import read_catalogue
from hpcflow.catalogues.read_options import ReadOptions
from hpcflow.store.flags import Classifier, Reason

UVIS = {name: f"WFC3_UVIS.{name}" for name in ("F275W", "F336W", "F438W", "F555W", "F814W")}
BOTH = UVIS | {f"ACS_{name}": f"ACS_WFC.{name}" for name in ("F435W", "F555W", "F814W")}
FILTERS = ("F275W", "F336W", "F435W", "F438W", "F555W", "F814W")


def write(path: Path, galaxy: list[str], **changes: np.ndarray) -> Path:
    n = len(galaxy)
    flux = {name: np.full(n, 1e-3) for name in FILTERS} | changes
    write_phangs(
        path,
        galaxy=np.array(galaxy),
        cluster_id=np.arange(1, n + 1),
        ra=np.full(n, 65.0),
        dec=np.full(n, -54.9),
        flux=flux,
        sigma={name: np.full(n, 1e-4) for name in FILTERS},
        cluster_class=np.arange(n) % 2 + 1,
        published={
            "log_age": np.full(n, 7.5),
            "log_mass": np.full(n, 4.0),
            "ebv": np.full(n, 0.2),
            "chi2": np.full(n, 1.1),
        },
    )
    return path


def edited(path: Path, **columns: object) -> Path:
    table = Table.read(path)
    for name, values in columns.items():
        if values is None:
            table.remove_column(name)
        else:
            table[name] = values
    table.write(path, overwrite=True)
    return path


def read(path: Path, bands: dict[str, str] = BOTH, **options: Any) -> Catalogue:
    return read_catalogue(path, bands, ReadOptions(**options))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    catalogue = read(write(tmp_path / "c.fits", ["NGC1566", "NGC1566", "NGC0628C"]))
    assert catalogue.galaxy.tolist() == ["NGC1566", "NGC1566", "NGC0628C"]
    assert catalogue.cluster_id.tolist() == ["1", "2", "3"]
    assert catalogue.cluster_class.tolist() == [1, 2, 1]
    assert np.all(catalogue.flux[catalogue.observed] == 1e-3)
    assert np.all(catalogue.sigma[catalogue.observed] == 1e-4)
    for key, value in {"log_age": 7.5, "log_mass": 4.0, "ebv": 0.2, "chi2": 1.1}.items():
        assert np.allclose(catalogue.published[key], value)


def test_a_filters_column_is_the_band_of_the_galaxys_instrument(tmp_path: Path) -> None:
    catalogue = read(write(tmp_path / "c.fits", ["NGC1566", "NGC0628C", "NGC0628E"]))
    assert catalogue.observed.tolist() == [
        [True] * 5 + [False] * 3,
        [True, True, False, False, False, True, True, True],
        [True, True, False, True, False, True, False, True],
    ]
    assert np.all(catalogue.reason[~catalogue.observed] == Reason.NO_BAND)


def test_no_filter_counts_twice_where_both_instruments_took_it(tmp_path: Path) -> None:
    catalogue = read(write(tmp_path / "c.fits", ["NGC1672", "NGC1672"]))
    bands = np.array(catalogue.bands)
    assert bands[catalogue.observed[0]].tolist() == ["F275W", "F336W", "ACS_F435W", "ACS_F555W", "ACS_F814W"]


def test_no_coverage_and_flags(tmp_path: Path) -> None:
    flux = np.array([np.nan, -1e-5, 0.5e-4, 1e-3])
    path = write(tmp_path / "c.fits", ["NGC1566"] * 4, F275W=flux, F435W=np.full(4, np.nan))
    table = Table.read(path)
    assert table["PHANGS_F275W_mJy"].tolist() == [-9999.0, -1e-5, 0.5e-4, 1e-3]
    assert table["PHANGS_NO_COVERAGE_FLAG"].tolist() == [1, 0, 0, 0]  # F435W is none of its filters
    assert table["PHANGS_NON_DETECTION_FLAG"].tolist() == [0, 1, 1, 0]
    expected = [Reason.NO_COVERAGE, Reason.NEGATIVE, Reason.OK, Reason.OK]
    assert read(path).reason[:, 0].tolist() == expected


def test_an_upper_limit_is_not_detected(tmp_path: Path) -> None:
    path = write(tmp_path / "c.fits", ["NGC1566"] * 3)
    edited(path, PHANGS_F275W_mJy_ERR=[-1.0, -1.0, 1e-4], PHANGS_NON_DETECTION_FLAG=[1, 0, 1])
    assert read(path).reason[:, 0].tolist() == [Reason.NOT_DETECTED, Reason.BAD_ERROR, Reason.OK]


def test_the_header_has_units_and_no_date(tmp_path: Path) -> None:
    path = write(tmp_path / "c.fits", ["NGC1566"])
    table = Table.read(path)
    expected = {
        "PHANGS_RA": u.deg,
        "PHANGS_F275W_mJy": u.mJy,
        "PHANGS_F275W_mJy_ERR": u.mJy,
        "PHANGS_AGE_MINCHISQ": u.Myr,
        "PHANGS_MASS_MINCHISQ": u.solMass,
        "PHANGS_EBV_MINCHISQ": u.mag,
    }
    assert {name: table[name].unit for name in expected} == expected
    with fits.open(path) as file:
        assert not any("DATE" in hdu.header for hdu in file)
    assert write(tmp_path / "d.fits", ["NGC1566"]).read_bytes() == path.read_bytes()


def test_the_headers_unit_is_honoured(tmp_path: Path) -> None:
    path = write(tmp_path / "c.fits", ["NGC1566"] * 2)
    table = Table.read(path)
    table["PHANGS_F336W_mJy"] *= 1e3
    table["PHANGS_F336W_mJy"].unit = u.uJy
    table.write(path, overwrite=True)
    assert np.allclose(read(path).flux[:, 1], 1e-3)


def test_older_files_have_totals_and_a_galaxy_in_their_name(tmp_path: Path) -> None:
    path = write(tmp_path / "hlsp_phangs-cat_hst_uvis_ngc1566_multi_v1_obs-human.fits", ["NGC1566"] * 2)
    table = Table.read(path)
    for name in UVIS:
        table.rename_column(f"PHANGS_{name}_mJy", f"PHANGS_{name}_mJy_TOT")
        table.rename_column(f"PHANGS_{name}_mJy_ERR", f"PHANGS_{name}_mJy_TOT_ERR")
    table.remove_column("PHANGS_GALAXY")
    table.write(path, overwrite=True)
    catalogue = read(path, UVIS)
    assert catalogue.observed.all()
    assert set(catalogue.galaxy) == {"NGC1566"}


@pytest.mark.parametrize("value", ["mJy", "mJy_TOT", "VEGA", "VEGA_TOT"])
@pytest.mark.parametrize("error", ["_ERR", "_TOT_ERR"])
def test_values_and_errors_may_each_be_called_total_or_not(tmp_path: Path, value: str, error: str) -> None:
    path = write(tmp_path / "c.fits", ["NGC1566"] * 2)
    table, form = Table.read(path), value.removesuffix("_TOT")
    for name in FILTERS:
        table.remove_columns([f"PHANGS_{name}_mJy", f"PHANGS_{name}_mJy_ERR"])
        table[f"PHANGS_{name}_{value}"] = [22.0, -9999.0] if form == "VEGA" else [1e-3, -9999.0]
        table[f"PHANGS_{name}_{form}{error}"] = [0.1, -9999.0] if form == "VEGA" else [1e-4, -9999.0]
    table.write(path, overwrite=True)
    catalogue = read(path, UVIS)
    flux = 3631e3 * 10 ** (-0.4 * (22.0 + 1.495)) if form == "VEGA" else 1e-3
    relative = 0.1 * np.log(10) / 2.5 if form == "VEGA" else 0.1
    assert catalogue.flux[0, 0] == pytest.approx(flux)
    assert catalogue.sigma[0, 0] == pytest.approx(relative * flux)
    assert (catalogue.reason[1] == Reason.NO_COVERAGE).all()


def test_the_total_error_goes_first_and_fluxes_before_magnitudes(tmp_path: Path) -> None:
    path = write(tmp_path / "c.fits", ["NGC1566"] * 2)
    totals = {
        "PHANGS_F555W_mJy_TOT_ERR": [3e-4] * 2,
        "PHANGS_F814W_VEGA": [10.0] * 2,
        "PHANGS_F814W_VEGA_ERR": [0.1] * 2,
    }
    catalogue = read(edited(path, **totals), UVIS)
    assert catalogue.sigma[0].tolist() == [1e-4, 1e-4, 1e-4, 3e-4, 1e-4]
    assert (catalogue.flux == 1e-3).all()


def test_magnitudes_stand_in_for_a_flux_without_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "c.fits", ["NGC1566"] * 2)
    edited(path, PHANGS_F336W_mJy_ERR=None, PHANGS_F336W_VEGA=[22.0] * 2, PHANGS_F336W_VEGA_TOT_ERR=[0.1] * 2)
    assert read(path, UVIS).flux[0, 1] == pytest.approx(3631e3 * 10 ** (-0.4 * (22.0 + 1.181)))


@pytest.mark.parametrize(
    ("mark", "reason"),
    [(-99.0, Reason.NO_COVERAGE), (66.666, Reason.NO_COVERAGE), (99.999, Reason.NOT_DETECTED)],
)
def test_marks_among_magnitudes_mask_their_band(tmp_path: Path, mark: float, reason: Reason) -> None:
    path = write(tmp_path / "c.fits", ["NGC1566"] * 2)
    magnitudes = {"PHANGS_F336W_VEGA": [22.0, mark], "PHANGS_F336W_VEGA_ERR": [0.1, 0.1]}
    edited(path, PHANGS_F336W_mJy=None, PHANGS_F336W_mJy_ERR=None, **magnitudes)
    assert read(path, UVIS).reason[:, 1].tolist() == [Reason.OK, reason]


def test_the_companion_in_dr5_has_the_distance_of_its_galaxy(tmp_path: Path) -> None:
    catalogue = read(write(tmp_path / "c.fits", ["ngc1510", "ngc1512"]))
    assert catalogue.distance.tolist() == [18.83, 18.83]
    assert catalogue.observed.tolist() == [[True] * 5 + [False] * 3] * 2


def test_a_band_without_columns_is_masked_where_flows_can_do_without(tmp_path: Path) -> None:
    path = edited(write(tmp_path / "c.fits", ["NGC1566"] * 2), PHANGS_F438W_mJy=None, PHANGS_F438W_mJy_ERR=None)
    catalogue = read(path, may_lack=True)
    assert catalogue.observed.sum(axis=1).tolist() == [4, 4]
    assert catalogue.notes == ("c.fits lacks F438W: it is masked for all its clusters",)
    edited(path, PHANGS_F336W_mJy_ERR=None)
    with pytest.raises(InputError, match=r"no flux and error columns for bands F336W .*, F438W .*PHANGS_F336W_mJy"):
        read(path, may_lack=True)


@pytest.mark.parametrize("sentinel", [-99.0, -999.0, -9999.0, 66.666, 99.999])
def test_published_sentinels_are_nothing(tmp_path: Path, sentinel: float) -> None:
    path = write(tmp_path / "c.fits", ["NGC1566"] * 2)
    values = {"PHANGS_EBV_MINCHISQ": [0.1, sentinel], "PHANGS_REDUCEDCHISQ_MINCHISQ": [1.0, sentinel]}
    errors = {"PHANGS_AGE_MINCHISQ_ERR": [1.0, sentinel], "PHANGS_EBV_MINCHISQ_ERR": [0.1, sentinel]}
    catalogue = read(edited(path, **values, **errors))
    for values_of in (*(catalogue.published[key] for key in ("ebv", "chi2")), *catalogue.published_error.values()):
        assert np.isnan(values_of).tolist() == [False, True]
    assert np.isfinite(catalogue.published["log_age"]).all()


def test_without_a_galaxy_the_message_says_where_to_set_it(tmp_path: Path) -> None:
    path = edited(write(tmp_path / "c.fits", ["NGC1566"] * 2), PHANGS_GALAXY=None)
    with pytest.raises(InputError, match=r"c\.fits has neither .*infer\.galaxy"):
        read(path)
    assert set(read(path, galaxy="ngc1566").galaxy) == {"NGC1566"}


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = edited(write(tmp_path / "c.fits", ["NGC1566", "NGC0628C"]), PHANGS_F435W_mJy=None)
    assert len(read(path, UVIS)) == 2
    with pytest.raises(InputError, match=r"c\.fits .* ACS_F435W \(ACS_WFC\.F435W\).*PHANGS_F438W_mJy"):
        read(path)
    with pytest.raises(InputError, match=r"c\.fits has no column ID_PHANGS_CLUSTER"):
        read(edited(path, ID_PHANGS_CLUSTER=None), UVIS)


def test_an_error_column_is_needed_too(tmp_path: Path) -> None:
    path = edited(write(tmp_path / "c.fits", ["NGC1566"] * 2), PHANGS_F336W_mJy_ERR=None)
    with pytest.raises(InputError, match="no flux and error columns for band F336W"):
        read(path)


@pytest.mark.parametrize(("name", "expected"), [("human.fits", [1, 2, -1]), ("machine.fits", [3, 2, -1])])
def test_classes_of_humans_and_machines(tmp_path: Path, name: str, expected: list[int]) -> None:
    path = write(tmp_path / name, ["NGC1566"] * 3)
    edited(path, PHANGS_CLUSTER_CLASS_HUMAN=[1, -999, 0], PHANGS_CLUSTER_CLASS_ML_VGG=[3, 2, -999])
    assert read(path).cluster_class.tolist() == expected


def test_fits_that_failed_publish_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "c.fits", ["NGC1566"] * 2)
    published = read(edited(path, PHANGS_AGE_MINCHISQ=[-999.0, 10.0])).published
    assert np.isnan([published[key][0] for key in published]).all()
    assert published["log_age"][1] == 7
    edited(path, PHANGS_REDUCEDCHISQ_MINCHISQ=None)
    assert set(read(path).published) == {"log_age", "log_mass", "ebv"}


def pair(folder: Path, sed: str = "sed-human", **changes: object) -> Path:
    """Write an obs table without fits and its sed table, in another order; return the former."""
    name = "hlsp_phangs-cat_hst_uvis_ngc1566_multi_v1_{}-cluster-class12.fits"
    obs, fits_of = (write(folder / name.format(kind), ["NGC1566"] * 3) for kind in ("obs-human", sed))
    errors = {"PHANGS_AGE_MINCHISQ_ERR": [1.0, 2.0, 3.0], "PHANGS_EBV_MINCHISQ_ERR": [0.1, 0.2, -999.0]}
    fit = {"PHANGS_AGE_MINCHISQ": [10.0, 20.0, 30.0], **errors, "ID_PHANGS_CLUSTER": [3, 2, 1], **changes}
    edited(fits_of, **fit, **{f"PHANGS_{f}_mJy{e}": None for f in FILTERS for e in ("", "_ERR")})
    published = ("PHANGS_AGE_MINCHISQ", "PHANGS_MASS_MINCHISQ", "PHANGS_EBV_MINCHISQ", "PHANGS_REDUCEDCHISQ_MINCHISQ")
    return edited(obs, **dict.fromkeys(published))


@pytest.mark.parametrize("sed", ["sed-human", "sed-ground-halpha-human"])
def test_fits_are_those_of_the_sed_table_beside_the_obs_one(tmp_path: Path, sed: str) -> None:
    catalogue = read(pair(tmp_path, sed), UVIS)
    np.testing.assert_allclose(10 ** (catalogue.published["log_age"] - 6), [30, 20, 10])
    np.testing.assert_allclose(catalogue.published_error["log_age"], [0.1 / np.log(10)] * 3)
    np.testing.assert_allclose(catalogue.published_error["ebv"], [np.nan, 0.2, 0.1])
    assert sed in catalogue.notes[0]


def test_clusters_that_the_sed_table_lacks_publish_nothing_and_are_counted(tmp_path: Path) -> None:
    catalogue = read(pair(tmp_path, ID_PHANGS_CLUSTER=[3, 2, 9]), UVIS)
    assert np.isnan(catalogue.published["log_age"]).tolist() == [True, False, False]
    assert "1 clusters of 3 are not in it" in catalogue.notes[0]


def test_a_sed_table_alone_is_refused_with_the_name_of_its_obs_table(tmp_path: Path) -> None:
    obs = pair(tmp_path)
    with pytest.raises(InputError, match=f"no photometry; give {obs.name}"):
        read(obs.with_name(obs.name.replace("obs-", "sed-")), UVIS)


def test_a_sed_table_with_a_cluster_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"sed-human.* more than once"):
        read(pair(tmp_path, ID_PHANGS_CLUSTER=[3, 2, 2]), UVIS)


def test_vectors_in_a_sed_table_are_no_fits_and_no_identifiers(tmp_path: Path) -> None:
    catalogue = read(pair(tmp_path, PHANGS_AGE_MINCHISQ=np.ones((3, 2))), UVIS)
    assert "log_age" not in catalogue.published
    with pytest.raises(InputError, match=r"sed-human.* has no identifier in common.*fetch both again"):
        read(pair(tmp_path, ID_PHANGS_CLUSTER=np.ones((3, 2))), UVIS)


def test_without_fluxes_the_magnitudes_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "c.fits", ["NGC1566"] * 2)
    table = Table.read(path)
    for name in UVIS:
        table.remove_columns([f"PHANGS_{name}_mJy", f"PHANGS_{name}_mJy_ERR"])
        table[f"PHANGS_{name}_VEGA"], table[f"PHANGS_{name}_VEGA_ERR"] = [22.0, -9999.0], [0.1, -9999.0]
    table.write(path, overwrite=True)
    catalogue = read(path, UVIS)
    assert catalogue.flux[0, 0] == pytest.approx(3631e3 * 10 ** (-0.4 * (22.0 + 1.495)))
    assert catalogue.sigma[0, 0] == pytest.approx(catalogue.flux[0, 0] * 0.1 * np.log(10) / 2.5)
    assert (catalogue.reason[1] == Reason.NO_COVERAGE).all()


def test_one_classification_can_be_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "c.fits", ["NGC1566"] * 3)
    edited(path, PHANGS_CLUSTER_CLASS_HUMAN=[1, -999, 0], PHANGS_CLUSTER_CLASS_ML_VGG=[3, 2, -999])
    assert read(path).classifier.tolist() == [Classifier.HUMAN, Classifier.MACHINE, Classifier.UNKNOWN]
    assert read(path, classification="machine").cluster_class.tolist() == [3, 2, -1]
    assert read(path, classification="human").cluster_class.tolist() == [1, -1, -1]
    edited(path, PHANGS_CLUSTER_CLASS_HUMAN=None)
    with pytest.raises(InputError, match=r"no class that a human gave; set infer\.classification"):
        read(path, classification="human")


def test_a_cluster_that_humans_and_machines_classified_is_kept_once(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{name}.fits", ["NGC1566"] * 3) for name in ("human", "machine")]
    edited(paths[1], PHANGS_CLUSTER_CLASS_ML_VGG=[2, 2, 2], ID_PHANGS_CLUSTER=[2, 3, 4])
    both = Catalogue.concatenate([read(path) for path in paths])
    assert both.cluster_id.tolist() == ["1", "2", "3", "4"]
    assert both.classifier.tolist() == [Classifier.HUMAN] * 3 + [Classifier.MACHINE]
    assert both.notes == ("2 clusters were classified by humans and by machines: each is kept once",)
    edited(paths[1], PHANGS_F275W_mJy=[1e-3, 2e-3, 1e-3])
    with pytest.raises(InputError, match="cluster 3 of NGC1566 occurs more than once"):
        Catalogue.concatenate([read(path) for path in paths])
