from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.mast import addresses
from hpcflow.catalogues.units import to_mjy
from hpcflow.config.load import Config, load_config
from hpcflow.model.zero_points import VEGA_TO_AB
from hpcflow.stages.build import build_survey_simulator
from hpcflow.stages.init import shipped_configs
from hpcflow.stages.input import read_catalogues
from hpcflow.stages.mock import make_mock
from hpcflow.stages.survey import make_survey
from hpcflow.store.flags import Classifier

N = 400


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(shipped_configs()["phangs"])


def made(config: Config, folder: Path, form: str, n: int = N) -> list[Path]:
    return make_survey(build_survey_simulator(config), config.model.bands, n, 1, folder, form)


@pytest.fixture(scope="module")
def dr5(config: Config, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return made(config, tmp_path_factory.mktemp("dr5"), "dr5")


def read(config: Config, *paths: Path) -> Catalogue:
    infer = config.infer.model_copy(update={"catalogues": [str(path) for path in paths]})
    return read_catalogues(config.model_copy(update={"infer": infer}))


def test_the_whole_sample_is_in_the_survey_s_own_files(config: Config, dr5: list[Path]) -> None:
    human, machine = (path for path in dr5 if not path.name.endswith("_truth.fits"))
    assert {human.name, machine.name} <= {address.name for address in addresses()}
    by_humans, by_machines = read(config, human), read(config, machine)
    assert len(by_machines) == N
    assert 0.35 < len(by_humans) / N < 0.5
    assert set(by_humans.classifier.tolist()) == {Classifier.HUMAN}
    assert set(by_machines.classifier.tolist()) == {Classifier.MACHINE}
    assert len(np.unique(by_machines.galaxy)) == 39
    both = read(config, human, machine)
    assert len(both) == N
    assert "classified by humans and by machines" in both.notes[-1]


def test_published_fits_are_near_the_truth_and_have_errors(config: Config, dr5: list[Path]) -> None:
    machine = next(path for path in dr5 if "machine" in path.name and "truth" not in path.name)
    truth = Table.read(machine.with_name(machine.name.replace(".fits", "_truth.fits")))
    catalogue = read(config, machine)
    away = np.abs(catalogue.published["log_age"] - truth["log_age"])
    assert np.median(away) < 0.2
    assert np.median(catalogue.published["chi2"]) < 1.5
    for name in ("log_age", "log_mass", "ebv"):
        error = catalogue.published_error[name]
        assert np.isfinite(error).all()
        assert np.median(error) > 0


def test_magnitudes_are_the_fluxes_through_the_galaxys_own_instrument(dr5: list[Path]) -> None:
    table = Table.read(dr5[0])
    for galaxy, curve in (("ngc1566", "WFC3_UVIS.F555W"), ("ngc0628c", "ACS_WFC.F555W")):
        rows = table[[str(name).lower() == galaxy for name in table["PHANGS_GALAXY"].astype(str)]]
        assert len(rows)
        flux, error = to_mjy(*(np.asarray(rows[f"PHANGS_F555W_VEGA{e}"]) for e in ("", "_ERR")), "Vega", curve=curve)
        np.testing.assert_allclose(flux, rows["PHANGS_F555W_mJy"], rtol=1e-9)
        np.testing.assert_allclose(error, rows["PHANGS_F555W_mJy_ERR"], rtol=1e-9)
        assert curve in VEGA_TO_AB


def test_each_galaxy_has_its_pair_of_files(config: Config, tmp_path: Path) -> None:
    paths = made(config, tmp_path, "v1", 120)
    names = {path.name for path in paths}
    assert "hlsp_phangs-cat_hst_uvis_ngc1566_multi_v1_obs-machine-cluster-class12.fits" in names
    assert "hlsp_phangs-cat_hst_acs-uvis_ngc0628c_multi_v1_sed-machine-cluster-class12.fits" in names
    machine = [path for path in paths if "machine" in path.name and "truth" not in path.name]
    whole = read(config, *machine)  # sed tables are taken with their obs tables
    assert len(whole) == 120
    assert np.isfinite(whole.published["log_age"]).all()
    assert "PHANGS_AGE_MINCHISQ" not in Table.read(next(p for p in machine if "_obs-" in p.name)).colnames


def test_candidates_are_of_all_classes(config: Config, tmp_path: Path) -> None:
    path, truth = made(config, tmp_path, "candidates")
    everything = config.model_copy(update={"infer": config.infer.model_copy(update={"classes": None})})
    catalogue = read(everything, path)
    assert len(catalogue) == N == len(Table.read(truth))
    assert {1, 2, 3, 4} == set(catalogue.cluster_class.tolist())


def test_the_clusters_are_those_of_the_plain_mock_and_the_same_bytes_again(
    config: Config, dr5: list[Path], tmp_path: Path
) -> None:
    plain, _ = make_mock(build_survey_simulator(config), config.model.bands, N, 1, tmp_path)
    machine = next(path for path in dr5 if "machine" in path.name and "truth" not in path.name)
    a, b = Table.read(plain), Table.read(machine)
    np.testing.assert_array_equal(a["PHANGS_F555W_mJy"], b["PHANGS_F555W_mJy"])
    again = made(config, tmp_path / "again", "dr5")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in dr5]
