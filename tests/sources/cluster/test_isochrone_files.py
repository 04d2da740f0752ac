"""Isochrones of others: small files in the forms of PARSEC and MIST, and what is wrong with files in one sentence."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hpcflow.base.errors import InputError
from hpcflow.sources.cluster.isochrones import load_isochrones
from hpcflow.sources.cluster.simulators import build_stochastic

AGES = (6.0, 6.1, 6.2)
MASS = np.geomspace(0.1, 120, 80)
PARSEC = "# Zini     MH   logAge Mini        int_IMF         Mass   logL    logTe  logg  label   Z"
MIST = "#  EEP  log10_isochrone_age_yr  initial_mass  star_mass  log_L  log_LH  log_Teff  log_R  log_g  phase"
Rows = list[list[float]]


def parsec_rows(z: float = 0.02, ages: tuple[float, ...] = AGES, mass: np.ndarray = MASS) -> Rows:
    return [
        [z, 0.0, age, m, 1.0, 0.9 * m, 3 * np.log10(m), 3.8 + 0.3 * np.log10(m), 4.2, 1, 0.9 * z]
        for age in ages
        for m in mass
    ]


def write(
    path: Path, names: str, rows: Rows, before: str = "# a remark\n", after: str = "#isochrone terminated\n"
) -> str:
    lines = [" ".join(f"{value:.8g}" for value in row) for row in rows]
    path.write_text(f"{before}{names}\n" + "\n".join(lines) + "\n" + after)
    return str(path)


@pytest.fixture
def parsec(tmp_path: Path) -> Callable[..., str]:
    """Give a function that writes a file of PARSEC's form; `changed` makes other rows of the right ones."""

    def make(rows: Rows | None = None, names: str = PARSEC) -> str:
        return write(tmp_path / "parsec.dat", names, parsec_rows() if rows is None else rows)

    return make


def mist(path: Path, age_names: str = MIST, ages: tuple[float, ...] = AGES) -> str:
    """Write isochrones as MIST does, one block after the other, each with white dwarfs at its end."""
    head = (
        "# MIST version number  = 1.2\n#  Yinit        Zinit   [Fe/H]   [a/Fe]  v/vcrit\n"
        "#  0.2703  1.428e-02   0.00   0.00   0.40\n"
    )
    blocks = []
    for age in ages:
        rows = [[k, age, m, m, 3 * np.log10(m), 0, 3.8, 1, 4.2, 0] for k, m in enumerate(MASS, 200)]
        rows += [[1700, age, 125.0, 0.6, -1.0, 0, 4.5, -2, 7.9, 6]]
        text = "\n".join(" ".join(f"{value:.8g}" for value in row) for row in rows)
        blocks.append(f"# number of EEPs, columns =  {len(rows)}  10\n#  1  2  3\n{age_names}\n{text}\n")
    path.write_text(head + "\n\n".join(blocks))
    return str(path)


def test_parsec_is_read_by_the_names_of_its_columns(parsec: Callable[..., str]) -> None:
    rows = [[*row[:2], *row[2:]] for z in (0.02, 0.004) for row in parsec_rows(z)]
    found = load_isochrones(parsec(rows), 0.01, (6.0, 6.2))
    assert found.metallicity.tolist() == [0.004, 0.02]  # and not those of the last column
    assert found.log_age.tolist() == list(AGES)
    for of_z in found.table:
        for one in of_z:
            np.testing.assert_allclose(one.mass, MASS, rtol=1e-6)
            np.testing.assert_allclose(one.stars[:, 0], 3 * np.log10(MASS), atol=1e-6)
            np.testing.assert_allclose(one.stars[:, 1], 3.8 + 0.3 * np.log10(MASS), atol=1e-6)
            assert (one.stars[:, 2] == 4.2).all()


def test_mist_is_read_block_by_block_without_white_dwarfs(tmp_path: Path) -> None:
    found = load_isochrones(mist(tmp_path / "mist.iso"), 0.02)
    assert found.metallicity.tolist() == [0.01428]
    assert found.log_age.tolist() == list(AGES)
    assert [len(one.mass) for one in found.table[0]] == [len(MASS)] * 3


def test_ages_may_be_years_where_the_file_says_so(tmp_path: Path) -> None:
    names = MIST.replace("log10_isochrone_age_yr", "isochrone_age_yr")
    found = load_isochrones(mist(tmp_path / "mist.iso", names, tuple(10**age for age in AGES)), 0.02)
    np.testing.assert_allclose(found.log_age, AGES, atol=1e-6)


def test_a_file_that_does_not_say_its_metallicity_has_that_of_the_model(parsec: Callable[..., str]) -> None:
    path = parsec([row[1:10] for row in parsec_rows()], PARSEC.replace("Zini", "").removesuffix("Z"))
    assert load_isochrones(path, 0.004).metallicity.tolist() == [0.004]
    with pytest.raises(InputError, match="do not say their metallicity"):
        load_isochrones(path)


def test_rows_need_no_order_and_a_mass_counts_once(parsec: Callable[..., str]) -> None:
    rows = parsec_rows()
    turned = [rows[k] for k in np.random.default_rng(1).permutation(len(rows))]
    found = load_isochrones(parsec(turned + turned[:10]), 0.02)
    assert [len(one.mass) for one in found.table[0]] == [len(MASS)] * 3


def changed(rows: Rows, column: int, value: Callable[[float], float]) -> Rows:
    return [[value(entry) if k == column else entry for k, entry in enumerate(row)] for row in rows]


WRONG: list[tuple[Rows, str]] = [
    (changed(parsec_rows(), 2, lambda age: 10**age), "1e[+]06 is not log10 of the age in yr"),
    (changed(parsec_rows(), 2, lambda age: age - 6), "0 is not log10 of the age in yr"),
    (changed(parsec_rows(), 7, lambda log: 10**log), "is not log10 of the temperature in K"),
    (changed(parsec_rows(), 6, lambda log: 3.8e33 * 10**log), "is not log10 of the luminosity in solar ones"),
    (changed(parsec_rows(), 3, lambda mass: 2e33 * mass), "is not the initial mass in solar masses"),
    (changed(parsec_rows(), 8, lambda _: np.nan), "nan is not log10 of the gravity"),
    (parsec_rows(ages=(6.0, 6.5)), "lack ages between log age 6 and 6.5"),
    (parsec_rows() + parsec_rows(0.004, AGES[:2]), "lack log age 6.2 at metallicity 0.004"),
    (parsec_rows(mass=np.append(MASS[:30], MASS[50:])), "of log age 6 has no star between"),
    (changed(parsec_rows(), 8, lambda _: 8.0), "have no living stars"),
    (parsec_rows(mass=MASS[20:]), "of log age 6 begins at 0.6"),
    (parsec_rows(mass=MASS[:60]), "ends at .* though all stars live at that age"),
]


@pytest.mark.parametrize(("rows", "says"), WRONG, ids=[says for _, says in WRONG])
def test_what_is_wrong_is_one_sentence(parsec: Callable[..., str], rows: Rows, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        load_isochrones(parsec(rows), 0.02)
    assert "\n" not in str(caught.value)
    assert "parsec.dat" in str(caught.value)


@pytest.mark.parametrize("name", ["logAge", "Mini", "logL", "logTe", "logg"])
def test_a_column_that_is_missing_is_named(parsec: Callable[..., str], name: str) -> None:
    with pytest.raises(
        InputError, match=f"lack a column .* name one .*{'isochrone_age' if name == 'logAge' else name.lower()}"
    ):
        load_isochrones(parsec(names=PARSEC.replace(name, "other", 1)), 0.02)


@pytest.mark.parametrize(
    "text", ["", "# only\n# remarks\n", "1 2 3\n", f"{PARSEC}\n0.02 0 six 1 1 1 1 1 1 1 1\n", "\0\1\2"]
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.dat").write_text(text)
    with pytest.raises(InputError, match=r"other\.dat"):
        load_isochrones(str(tmp_path / "other.dat"), 0.02)


def test_what_does_not_fit_the_model_is_refused(parsec: Callable[..., str]) -> None:
    path = parsec()
    with pytest.raises(InputError, match=r"from 6 to 6\.2, but model\.parameters\.log_age goes from 6 to 10"):
        load_isochrones(path, 0.02, (6.0, 10.0))
    with pytest.raises(InputError, match=r"of metallicity 0\.02 to 0\.02, far from 0\.004"):
        load_isochrones(path, 0.004)
    with pytest.raises(InputError, match="neither a file nor shipped; those that ship are sse"):
        load_isochrones("nothing.dat")


def test_a_simulator_has_the_stars_of_a_file(parsec: Callable[..., str]) -> None:
    bands = {band: f"WFC3_UVIS.{band}" for band in ("F555W", "F814W")}
    names = ("log_age", "log_mass", "ebv", "realisation")
    settings = {"ssp": "bc03_miles_kroupa", "ages": "continuous", "extinction": "odonnell94", "bands": bands}
    theta = np.column_stack([np.full((1000, 3), [6.1, 4.0, 0.0]), np.random.default_rng(1).random(1000)])
    found, shipped = (
        build_stochastic(isochrones=stars, parameters=names, fixed={"metallicity": 0.02}, **settings)
        for stars in (parsec(), "sse")
    )
    assert found.provenance["isochrones_sha256"] != shipped.provenance["isochrones_sha256"]
    np.testing.assert_allclose(found(theta).mean(axis=0), shipped(theta).mean(axis=0), rtol=0.1)
    assert (found(theta) != shipped(theta)).all()
