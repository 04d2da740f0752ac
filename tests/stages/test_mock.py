from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from clusters import scale
from hpcflow.base.errors import InputError
from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.galaxies import galaxies, survey_bands
from hpcflow.catalogues.read import read_catalogue
from hpcflow.catalogues.units import AB_ZERO_MJY, VEGA_TO_AB
from hpcflow.config.load import load_config
from hpcflow.model.observe import add_systematic
from hpcflow.model.simulator import Simulator
from hpcflow.model.tables import shipped_tables
from hpcflow.sources.cluster.simulators import build_ssp
from hpcflow.stages.build import build_survey_simulator
from hpcflow.stages.init import shipped_configs
from hpcflow.stages.mock import make_mock
from hpcflow.store.flags import Reason

UVIS = {name: f"WFC3_UVIS.{name}" for name in ("F275W", "F336W", "F438W", "F555W", "F814W")}
BOTH = UVIS | {f"ACS_{name}": f"ACS_WFC.{name}" for name in ("F435W", "F555W", "F814W")}
N = 3000


def build(curves: list[str], *, metallicity: bool = True) -> Simulator:
    return build_ssp(
        ssp=shipped_tables()[0],
        bands={curve: curve for curve in curves},
        parameters=("log_age", "ebv", "metallicity") if metallicity else ("log_age", "ebv"),
        fixed={"r_v": 3.1, "metallicity": 0.02},
        ages="continuous",
        extinction="odonnell94",
    )


@pytest.fixture(scope="module")
def simulator() -> Simulator:
    return build(survey_bands())


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
    names = ["galaxy", "cluster_id", "component", "log_age", "log_mass", "ebv", "metallicity"]
    fluxes = [f"{name}_mJy" for name in sorted({curve.partition(".")[2] for curve in BOTH.values()})]
    assert truth.colnames == names + fluxes
    assert len(catalogue) == len(truth) == N
    assert catalogue.galaxy.tolist() == truth["galaxy"].tolist()
    assert catalogue.cluster_id.tolist() == truth["cluster_id"].tolist()
    assert set(catalogue.galaxy) == set(galaxies()["galaxy"].tolist())


def true_flux(catalogue: Catalogue, truth: Table) -> np.ndarray:
    """Return the true fluxes (N, B) in the catalogue's bands, as the truth lists them."""
    return np.stack([np.asarray(truth[f"{label.removeprefix('ACS_')}_mJy"]) for label in catalogue.bands], axis=1)


def pulls(catalogue: Catalogue, truth: Table, systematic: float) -> np.ndarray:
    """Return (f* - f) / sigma (N, B) with the systematic in sigma, NaN where there is no flux."""
    true = true_flux(catalogue, truth)
    pull = (catalogue.flux - true) / np.hypot(catalogue.sigma, systematic * true)
    return np.where(np.isin(catalogue.reason, (Reason.OK, Reason.NEGATIVE)), pull, np.nan)


def test_true_fluxes_are_those_of_the_simulator(catalogue: Catalogue, truth: Table, simulator: Simulator) -> None:
    unit = simulator(np.stack([truth[name] for name in simulator.parameters], axis=1))
    columns = [simulator.bands.index(curve) for curve in BOTH.values()]
    expected = unit[:, columns] * scale(np.asarray(truth["log_mass"]), catalogue.distance)[:, None]
    covered = catalogue.reason != Reason.NO_BAND
    np.testing.assert_allclose(true_flux(catalogue, truth)[covered], expected[covered], rtol=1e-12)


def test_fluxes_scatter_about_the_truth_by_the_listed_error_and_the_systematic(
    catalogue: Catalogue, truth: Table
) -> None:
    pull = pulls(catalogue, truth, 0.05)
    assert np.isfinite(pull).sum() > 4.9 * N
    assert np.sqrt(np.nanmean(pull**2)) == pytest.approx(1, abs=0.03)
    assert np.nanmean(np.nanmean(pull**2, axis=1)) == pytest.approx(1, abs=0.05)  # chi^2 of the truth, per band
    listed = pulls(catalogue, truth, 0.0)
    assert np.sqrt(np.nanmean(listed**2)) > 1.5  # the catalogue's errors alone are too small, as real ones are
    for band in range(pull.shape[1]):
        assert np.sqrt(np.nanmean(pull[:, band] ** 2)) == pytest.approx(1, abs=0.12)


def test_inference_adds_what_the_catalogue_leaves_out(catalogue: Catalogue, truth: Table) -> None:
    sigma = add_systematic(catalogue.flux, catalogue.sigma, 0.05)
    chi2 = ((catalogue.flux - true_flux(catalogue, truth)) / sigma)[catalogue.observed] ** 2
    assert chi2.mean() == pytest.approx(1, abs=0.05)


def test_a_larger_systematic_on_request(simulator: Simulator, truth: Table, tmp_path: Path) -> None:
    path, its_truth = make_mock(simulator, BOTH, N, 1, tmp_path, systematic=0.1)
    rough, known = read_catalogue(path, BOTH), Table.read(its_truth)
    assert np.sqrt(np.nanmean(pulls(rough, known, 0.1) ** 2)) == pytest.approx(1, abs=0.03)
    assert np.sqrt(np.nanmean(pulls(rough, known, 0.05) ** 2)) > 1.3


def test_a_systematic_of_one_band(simulator: Simulator, tmp_path: Path) -> None:
    path, its_truth = make_mock(simulator, BOTH, 1000, 1, tmp_path, systematic={"F336W": 0.2})
    rough, known = read_catalogue(path, BOTH), Table.read(its_truth)
    listed = np.sqrt(np.nanmean(pulls(rough, known, 0.0) ** 2, axis=0))
    u = rough.bands.index("F336W")
    assert listed[u] > 2
    assert np.delete(listed, u).max() < 1.3


def median_colour(catalogue: Catalogue, blue: str, red: str) -> float:
    """Return the median Vega colour of clusters with both filters, whatever the instrument."""
    magnitude = {}
    for name in (blue, red):
        labels = [label for label in BOTH if label.removeprefix("ACS_") in (name, name.replace("F438W", "F435W"))]
        with np.errstate(divide="ignore", invalid="ignore"):
            vega = [
                -2.5 * np.log10(catalogue.flux[:, catalogue.bands.index(label)] / AB_ZERO_MJY) - VEGA_TO_AB[BOTH[label]]
                for label in labels
            ]
        magnitude[name] = np.where(np.isfinite(vega[0]), vega[0], vega[-1])
    return float(np.nanmedian(magnitude[blue] - magnitude[red]))


def test_colours_and_ages_are_like_the_survey_s(catalogue: Catalogue, truth: Table) -> None:
    assert median_colour(catalogue, "F336W", "F438W") == pytest.approx(-0.40, abs=0.15)
    assert median_colour(catalogue, "F555W", "F814W") == pytest.approx(0.70, abs=0.05)
    assert np.median(truth["log_age"]) == pytest.approx(np.log10(76e6), abs=0.15)


def test_one_in_twenty_is_an_old_globular_with_few_metals(truth: Table) -> None:
    globular = np.asarray(truth["component"] == "globular")
    assert globular.mean() == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / N))
    old, others = truth[globular], truth[~globular]
    assert set(others["component"]) == {"cluster"}
    assert 9.9 <= old["log_age"].min() <= old["log_age"].max() <= 10.1
    assert old["ebv"].max() <= 0.1
    assert np.all((old["metallicity"] > 0.0006) & (old["metallicity"] < 0.0064))
    assert np.all(others["metallicity"] == 0.02)
    assert np.median(old["log_mass"]) == pytest.approx(5.5, abs=0.3)  # the faintest are not listed


def test_without_a_choice_of_metallicities_globulars_have_that_of_the_simulator(tmp_path: Path) -> None:
    simulator = build(survey_bands(), metallicity=False)
    _, truth = make_mock(simulator, BOTH, 200, 1, tmp_path)
    table = Table.read(truth)
    assert "metallicity" not in table.colnames
    assert "globular" in set(table["component"])


def test_old_clusters_drown_in_the_ultraviolet(catalogue: Catalogue, truth: Table) -> None:
    uv = catalogue.bands.index("F275W")
    covered = catalogue.reason[:, uv] != Reason.NO_COVERAGE
    undetected = ~(catalogue.flux[:, uv] > 3 * catalogue.sigma[:, uv])
    young, old = (covered & rows for rows in (truth["log_age"] < 7.5, truth["log_age"] > 9))
    assert young.sum() > 200
    assert old.sum() > 200
    assert undetected[young].mean() < 0.05
    assert undetected[old].mean() > 0.4


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
    detected = (catalogue.flux >= 3 * catalogue.sigma) | (catalogue.reason == Reason.NO_COVERAGE)
    assert (detected.sum(axis=1) >= 4).all()
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


def test_neither_threads_nor_partitions_change_a_byte(tmp_path: Path) -> None:
    made = []
    for sets in ([], ["simulate.threads=3", "simulate.partition=1000", "infer.partition=7"]):
        config = load_config(shipped_configs()["phangs"], sets)
        paths = make_mock(build_survey_simulator(config), config.model.bands, 500, 1, tmp_path / str(len(sets)))
        made.append([path.read_bytes() for path in paths])
    assert made[0] == made[1]


def test_a_smaller_mock_is_part_of_a_larger_one(truth: Table, simulator: Simulator, tmp_path: Path) -> None:
    _, path = make_mock(simulator, BOTH, N // 10, 1, tmp_path)
    whole = {tuple(row) for row in truth["galaxy", "cluster_id", "log_age", "log_mass"].iterrows()}
    assert {tuple(row) for row in Table.read(path)["galaxy", "cluster_id", "log_age", "log_mass"].iterrows()} < whole


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
        self.bands: tuple[str, ...] = tuple(survey_bands())
        self.provenance: dict[str, str] = {}

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        return np.full((len(theta), len(self.bands)), np.nan)


def test_a_mock_without_visible_clusters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"check model\.ssp"):
        make_mock(Dark(), BOTH, 1, 1, tmp_path)
