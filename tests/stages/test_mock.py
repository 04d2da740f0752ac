from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from hpcflow.base.errors import InputError
from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.galaxies import galaxies
from hpcflow.catalogues.read import read_catalogue
from hpcflow.model.filters import shipped_curves
from hpcflow.model.observe import scale
from hpcflow.model.simulator import Simulator
from hpcflow.model.tables import shipped_tables
from hpcflow.sources.cluster.simulators import build_ssp
from hpcflow.stages.mock import make_mock
from hpcflow.store.flags import Reason

UVIS = {name: f"WFC3_UVIS.{name}" for name in ("F275W", "F336W", "F438W", "F555W", "F814W")}
BOTH = UVIS | {f"ACS_{name}": f"ACS_WFC.{name}" for name in ("F435W", "F555W", "F814W")}
N = 3000


def build(curves: list[str]) -> Simulator:
    return build_ssp(
        ssp=shipped_tables()[0],
        bands={curve: curve for curve in curves},
        parameters=("log_age", "ebv"),
        fixed={"r_v": 3.1, "metallicity": 0.02},
        ages="continuous",
        extinction="odonnell94",
    )


@pytest.fixture(scope="module")
def simulator() -> Simulator:
    return build(shipped_curves())


@pytest.fixture(scope="module")
def mock(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_mock(simulator, BOTH, N, 1, tmp_path_factory.mktemp("mock") / "made" / "here")


@pytest.fixture(scope="module")
def catalogue(mock: tuple[Path, Path]) -> Catalogue:
    return read_catalogue(mock[0], BOTH)


@pytest.fixture(scope="module")
def truth(mock: tuple[Path, Path]) -> Table:
    return Table.read(mock[1])


def test_catalogue_and_truth_are_the_same_clusters(catalogue: Catalogue, truth: Table) -> None:
    assert truth.colnames == ["galaxy", "cluster_id", "log_age", "log_mass", "ebv"]
    assert len(catalogue) == len(truth) == N
    assert catalogue.galaxy.tolist() == truth["galaxy"].tolist()
    assert catalogue.cluster_id.tolist() == truth["cluster_id"].tolist()
    assert set(catalogue.galaxy) == set(galaxies()["galaxy"].tolist())


def test_fluxes_are_the_truth_and_its_errors(catalogue: Catalogue, truth: Table, simulator: Simulator) -> None:
    unit = simulator(np.stack([truth["log_age"], truth["ebv"]], axis=1))
    columns = [simulator.bands.index(curve) for curve in BOTH.values()]
    true = unit[:, columns] * scale(np.asarray(truth["log_mass"]), catalogue.distance)[:, None]
    pull = (catalogue.flux - true) / catalogue.sigma
    bright = catalogue.observed & (true > 20 * catalogue.sigma)  # hardly touched by selection
    assert bright.sum() > 1000
    assert abs(pull[bright].mean()) < 0.1
    assert pull[bright].std() == pytest.approx(1, abs=0.05)


def test_each_galaxy_has_its_own_instruments(catalogue: Catalogue) -> None:
    bands = np.array(catalogue.bands)
    covered = catalogue.reason != Reason.NO_BAND
    assert np.all(covered.sum(axis=1) == 5)
    for name, expected in {
        "NGC1566": list(UVIS),
        "NGC0628C": ["F275W", "F336W", "ACS_F435W", "ACS_F555W", "ACS_F814W"],
        "NGC0628E": ["F275W", "F336W", "F555W", "ACS_F435W", "ACS_F814W"],
    }.items():
        assert bands[covered[catalogue.galaxy == name][0]].tolist() == expected


def test_selection(catalogue: Catalogue) -> None:
    v = [catalogue.bands.index(name) for name in ("F555W", "ACS_F555W")]
    flux, sigma = np.nanmax(catalogue.flux[:, v], axis=1), np.nanmax(catalogue.sigma[:, v], axis=1)
    assert (flux >= 10 * sigma).all()
    absolute = -2.5 * np.log10(flux / 3631e3) - 5 * np.log10(catalogue.distance * 1e5)
    assert absolute.max() < -6
    assert absolute.max() > -6.1


def test_a_few_rows_lack_a_band_and_some_are_not_detected(catalogue: Catalogue, mock: tuple[Path, Path]) -> None:
    lacking = (catalogue.reason == Reason.NO_COVERAGE).sum(axis=1)
    assert lacking.max() == 1
    assert 0.02 < lacking.mean() < 0.04
    table = Table.read(mock[0])
    assert table["PHANGS_NO_COVERAGE_FLAG"].tolist() == lacking.tolist()
    negative = (catalogue.reason == Reason.NEGATIVE).any(axis=1)
    assert 0 < negative.mean() < 0.05
    assert np.all(table["PHANGS_NON_DETECTION_FLAG"][negative] > 0)
    assert set(catalogue.cluster_class.tolist()) == {1, 2}


def test_the_same_seed_gives_the_same_bytes(mock: tuple[Path, Path], simulator: Simulator, tmp_path: Path) -> None:
    again = make_mock(simulator, BOTH, N, 1, tmp_path)
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in mock]
    other = make_mock(simulator, BOTH, N, 2, tmp_path)
    assert all(a.read_bytes() != b.read_bytes() for a, b in zip(other, mock, strict=True))


def test_only_the_two_files_are_left(mock: tuple[Path, Path]) -> None:
    assert sorted(p.name for p in mock[0].parent.iterdir()) == ["mock.fits", "mock_truth.fits"]
    for path in mock:
        with fits.open(path) as file:
            assert not any("DATE" in hdu.header for hdu in file)


def test_a_simulator_of_one_instrument_makes_a_mock_of_its_galaxies(tmp_path: Path) -> None:
    path, _ = make_mock(build(list(UVIS.values())), UVIS, 200, 1, tmp_path)
    names = set(read_catalogue(path, UVIS).galaxy.tolist())
    assert "NGC0628C" not in names
    assert len(names) > 20


def test_what_cannot_be_made_is_refused(simulator: Simulator, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="n of at least 1"):
        make_mock(simulator, BOTH, 0, 1, tmp_path)
    with pytest.raises(InputError, match="a seed from 0"):
        make_mock(simulator, BOTH, 1, -1, tmp_path)
    with pytest.raises(InputError, match=r"no galaxy .* two of the bands F275W.*model\.bands"):
        make_mock(simulator, {"F275W": UVIS["F275W"]}, 1, 1, tmp_path)
    free = build(["WFC3_UVIS.F555W"])
    free.parameters = ("log_age", "ebv", "r_v")
    with pytest.raises(InputError, match=r"takes log_age, ebv, r_v; .*model\.fixed"):
        make_mock(free, BOTH, 1, 1, tmp_path)
    assert not list(tmp_path.iterdir())


class Dark:
    def __init__(self) -> None:
        self.parameters: tuple[str, ...] = ("log_age", "ebv")
        self.bands: tuple[str, ...] = tuple(shipped_curves())
        self.provenance: dict[str, str] = {}

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        return np.full((len(theta), len(self.bands)), np.nan)


def test_a_mock_without_visible_clusters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"check model\.ssp"):
        make_mock(Dark(), BOTH, 1, 1, tmp_path)
