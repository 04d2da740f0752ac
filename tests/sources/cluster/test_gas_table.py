"""The table of gas: what ships, and its agreement with bagpipes, which made it."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hpcflow.base.errors import InputError
from hpcflow.model.filters import load_curve
from hpcflow.model.tables import SspTable, load_ssp, load_tables
from hpcflow.sources.cluster.gas_table import GasTable, load_gas

CAMERAS = ("WFC3_UVIS", "ACS_WFC")
H_ALPHA, H_BETA, OXYGEN = 656.28, 486.132, 500.684  # nm


@pytest.fixture(scope="module")
def bagpipes() -> list[dict[str, str]]:
    """Give the gas of bagpipes 1.3.6, by `tests/benchmarks/bagpipes_gas.py`."""
    with (Path(__file__).parent / "bagpipes_gas.csv").open() as file:
        return list(csv.DictReader(file))


def line(wavelength_nm: float, metallicity: float, log_u: float, age_myr: float = 1.0) -> float:
    gas = load_gas()
    _, lines = gas.light(metallicity, log_u, np.array([age_myr]))
    return float(lines[0, np.abs(gas.line_nm - wavelength_nm).argmin()])


def weighed(
    tables: Sequence[SspTable], log_u: float = -3.0, curve: str = "WFC3_UVIS.F555W", gas: GasTable | None = None
) -> np.ndarray:
    bands = (gas or load_gas()).weigh(tables, np.array([log_u]), "continuous", [load_curve(curve)], "odonnell94")[1]
    return bands[0].spectra.sum(axis=1)


def test_it_is_the_gas_of_bagpipes(bagpipes: list[dict[str, str]]) -> None:
    gas = load_gas()
    assert len(bagpipes) == 24
    for row in bagpipes:
        age, metallicity, log_u = (float(row[name]) for name in ("age_myr", "metallicity", "log_u"))
        place = int(np.abs(gas.ionising_t_myr - age).argmin())
        assert gas.ionising_t_myr[place] == pytest.approx(age, rel=1e-4)
        ionising = gas.ionising[list(gas.metallicity).index(metallicity), place]
        for band in list(row)[4:]:
            found = weighed([load_ssp("bc03_miles_kroupa", metallicity)], log_u, band)[place]
            # Bagpipes has the mean ionising light of an age bin of 0.1 dex, and we that of an instant.
            of_bin = found / ionising * float(row["ionising_w"])
            near = 1.4e-4 if band.startswith(CAMERAS) and "F2" not in band else 3.5e-4
            assert of_bin == pytest.approx(float(row[band]), rel=near), (band, age)


def test_gas_emits_no_more_than_it_absorbs() -> None:
    gas = load_gas()
    seen = np.trapezoid(gas.continuum.astype(float), gas.wl_nm, axis=3) + gas.lines.sum(axis=3)
    assert (seen < 0.6).all()  # most of the rest is Lyman alpha
    assert (seen[:5, :, :7] > 0.3).all()  # but the cool gas of many metals shines in the far infrared


def test_lines_are_as_case_b_and_the_metals_have_them() -> None:
    assert line(H_ALPHA, 0.004, -3.0) / line(H_BETA, 0.004, -3.0) == pytest.approx(2.86, rel=0.03)
    assert line(OXYGEN, 0.004, -2.0) > 2 * line(OXYGEN, 0.004, -3.5)
    assert line(OXYGEN, 0.0001, -3.0) < line(OXYGEN, 0.004, -3.0) / 10


@pytest.mark.parametrize(
    ("metallicity", "age_myr", "log_photons"),
    # log10 of the ionising photons a second and solar mass of bagpipes' stars, int L l / (h c) dl up to 91.18 nm
    [(0.004, 1.0, 46.69), (0.004, 4.0, 46.47), (0.004, 10.0, 44.92), (0.02, 1.0, 46.73), (0.02, 4.0, 46.17)],
)
def test_h_alpha_is_that_of_the_ionising_photons(metallicity: float, age_myr: float, log_photons: float) -> None:
    # Case B at 10^4 K: 1.37e-19 W for each photon a second (Kennicutt 1998, ARA&A 36, 189).
    assert line(H_ALPHA, metallicity, -3.0, age_myr) == pytest.approx(1.37e-19 * 10**log_photons, rel=0.1)


def test_light_is_linear_in_log_z_and_log_u_and_follows_the_ionising_light() -> None:
    gas, ages = load_gas(), np.array([2.0, 5.0])
    low, high = (np.concatenate(gas.light(0.02, u, ages), axis=1) for u in (-3.0, -2.5))
    np.testing.assert_allclose(np.concatenate(gas.light(0.02, -2.8, ages), axis=1), 0.6 * low + 0.4 * high, rtol=1e-9)
    doubled = replace(gas, ionising=2 * gas.ionising)
    np.testing.assert_allclose(np.concatenate(doubled.light(0.02, -3.0, ages), axis=1), 2 * low)
    even = replace(gas, ionising=np.ones_like(gas.ionising))
    low, high = (even.light(z, -3.0, ages)[0] for z in (0.008, 0.02))
    np.testing.assert_allclose(even.light(0.4**0.5 * 0.02, -3.0, ages)[0], (low + high) / 2, rtol=1e-9)


def test_before_its_first_age_gas_stays_as_it_is_and_after_its_last_it_is_dark() -> None:
    gas = load_gas()
    even = replace(gas, ionising=np.ones_like(gas.ionising))
    first, earlier, last, later = even.light(0.02, -3.0, np.array([1.0, 0.1, 25.1, 25.2]))[0]
    np.testing.assert_array_equal(earlier, first)
    assert (last > 0).all()
    assert not later.any()


def test_it_is_known_at_the_ages_of_the_stars_and_one_more_where_it_is_dark() -> None:
    tables = load_tables("bc03_miles_kroupa")
    spectra = weighed(tables[:2])
    young = tables[0].t_myr[: len(spectra) // 2]
    assert young[-2] == load_gas().ionising_t_myr[-1]
    dark = np.zeros(len(spectra), bool)
    dark[[len(young) - 1, -1]] = True
    np.testing.assert_array_equal(spectra == 0, dark)


def test_what_it_does_not_know_is_an_error_that_names_it() -> None:
    stars = load_ssp("bc03_miles_kroupa", 0.02)
    with pytest.raises(InputError, match=r"log_u cannot be -4\.5 where there is gas; .* -4 to -1"):
        weighed([stars], -4.5)
    with pytest.raises(InputError, match=r"metallicity cannot be 0\.2 .* 0\.0001 to 0\.1"):
        weighed([replace(stars, metallicity=0.2)])
    old = stars.t_myr > 100
    with pytest.raises(InputError, match=r"covering_factor: no stars .* younger than 25 Myr; fix it at 0"):
        weighed([replace(stars, t_myr=stars.t_myr[old], spec=stars.spec[:, old])])


def test_a_file_that_was_removed_is_an_error_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpcflow.sources.cluster.gas_table.FILE", tmp_path / "gone.npz")
    with pytest.raises(InputError, match=r"covering_factor needs .*gone\.npz, which is gone; fix it at 0"):
        load_gas.__wrapped__()


def test_another_table_is_another_digest() -> None:
    gas = load_gas()
    assert replace(gas, lines=gas.lines * 2).digest != gas.digest == load_gas().digest
