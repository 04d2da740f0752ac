from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcflow.base.errors import InputError
from hpcflow.model.tables import SspTable, load_ssp, shipped_tables

AGES, NODES = np.array([1.0, 5.0, 100.0]), np.array([100.0, 200.0, 300.0, 400.0])
SPEC = np.arange(12.0).reshape(4, 3)


def keep(path: Path, **arrays: Any) -> str:
    np.savez(path, **({"t_myr": AGES, "wl_nm": NODES, "spec": SPEC} | arrays))
    return str(path)


@pytest.mark.parametrize("name", shipped_tables())
@pytest.mark.parametrize("metallicity", [0.02, 0.004])
def test_shipped_tables_can_be_used(name: str, metallicity: float) -> None:
    table = load_ssp(name, metallicity)
    assert table.spec.shape == (len(table.wl_nm), len(table.t_myr))
    assert (np.diff(table.t_myr) > 0).all()
    assert (np.diff(table.wl_nm) > 0).all()
    assert np.isfinite(table.spec).all()
    assert (table.spec >= 0).all()
    assert table.t_myr[0] <= 1.0
    assert table.t_myr[-1] >= 13_750.0


@pytest.mark.parametrize("name", shipped_tables())
def test_shipped_tables_hold_a_population_of_one_solar_mass(name: str) -> None:
    # At 10 Myr a solar mass of stars shines with roughly 1e2 L_sun in the optical, and fades from there.
    table = load_ssp(name, 0.02)
    optical = (table.wl_nm > 300) & (table.wl_nm < 900)
    luminosity = np.trapezoid(table.spec[optical], table.wl_nm[optical], axis=0) / 3.828e26
    at = dict(zip((3, 10, 100, 1000, 10_000), np.interp((3, 10, 100, 1e3, 1e4), table.t_myr, luminosity), strict=True))
    assert 10 < at[10] < 500
    assert at[10] > at[100] > at[1000] > at[10_000] > 0.05


def test_metallicities_differ() -> None:
    digests = {load_ssp(shipped_tables()[0], z).digest for z in (0.004, 0.02, 0.05)}
    assert len(digests) == 3


def test_one_metallicity_in_a_file(tmp_path: Path) -> None:
    table = load_ssp(keep(tmp_path / "one.npz"), 0.02)
    np.testing.assert_array_equal(table.spec, SPEC)
    np.testing.assert_array_equal(table.t_myr, AGES)
    np.testing.assert_array_equal(table.wl_nm, NODES)


@pytest.mark.parametrize(("index", "metallicity"), list(enumerate([0.004, 0.02, 0.05])))
def test_several_metallicities_in_a_file(index: int, metallicity: float, tmp_path: Path) -> None:
    spec = np.stack([SPEC, 2 * SPEC, 3 * SPEC])
    path = keep(tmp_path / "three.npz", spec=spec, metallicity=[0.004, 0.02, 0.05])
    np.testing.assert_array_equal(load_ssp(path, metallicity).spec, spec[index])


def test_a_metallicity_that_is_not_there_is_an_error_that_says_which_are(tmp_path: Path) -> None:
    path = keep(tmp_path / "two.npz", spec=np.stack([SPEC, SPEC]), metallicity=[0.004, 0.02])
    with pytest.raises(InputError, match=r"two\.npz has no metallicity 0\.008; it has 0\.004, 0\.02"):
        load_ssp(path, 0.008)


@pytest.mark.parametrize(
    "wrong",
    [
        {"spec": SPEC.T},
        {"spec": SPEC[0]},
        {"spec": np.stack([SPEC, SPEC])},
        {"spec": np.where(SPEC == 5, np.nan, SPEC)},
        {"spec": np.where(SPEC == 5, np.inf, SPEC)},
        {"t_myr": AGES[::-1]},
        {"t_myr": np.array([1.0, 1.0, 2.0])},
        {"wl_nm": NODES[::-1]},
        {"spec": np.array([["a"] * 3] * 4)},
        {"spec": np.array([{}, {}], dtype=object)},
    ],
    ids=[
        "transposed",
        "one axis",
        "no Z",
        "nan",
        "inf",
        "falling ages",
        "equal ages",
        "falling nodes",
        "text",
        "pickle",
    ],
)
def test_a_wrong_table_is_an_error_that_names_the_file(wrong: dict[str, Any], tmp_path: Path) -> None:
    path = keep(tmp_path / "wrong.npz", **wrong)
    with pytest.raises(InputError, match=r"wrong\.npz"):
        load_ssp(path, 0.02)


@pytest.mark.parametrize("lacking", ["t_myr", "wl_nm", "spec"])
def test_a_table_without_one_of_its_arrays_is_an_error_that_names_it(lacking: str, tmp_path: Path) -> None:
    arrays = {"t_myr": AGES, "wl_nm": NODES, "spec": SPEC}
    del arrays[lacking]
    np.savez(tmp_path / "part.npz", **arrays)
    with pytest.raises(InputError, match=rf"part\.npz.*{lacking}"):
        load_ssp(str(tmp_path / "part.npz"), 0.02)


def test_a_file_that_is_no_npz_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "text.npz"
    path.write_text("not an archive")
    with pytest.raises(InputError, match=r"text\.npz"):
        load_ssp(str(path), 0.02)


def test_an_unknown_table_is_an_error_that_says_what_there_is() -> None:
    with pytest.raises(InputError, match=f"bc2099.*{shipped_tables()[0]}"):
        load_ssp("bc2099", 0.02)


def test_the_digest_is_of_every_array() -> None:
    table = SspTable(AGES, NODES, SPEC)
    others = [SspTable(AGES + 1, NODES, SPEC), SspTable(AGES, NODES + 1, SPEC), SspTable(AGES, NODES, SPEC + 1)]
    assert table.digest == SspTable(AGES.copy(), NODES.copy(), SPEC.copy()).digest
    assert len({table.digest, *(other.digest for other in others)}) == 4
