"""The simulator as other codes are compared with it: a table in, fluxes out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table

from hpcflow.base.errors import InputError
from hpcflow.config.load import load_config
from hpcflow.stages.flux import flux
from hpcflow.stages.init import shipped_configs

BANDS = ("F275W", "F336W", "F438W", "F555W", "F814W")


@pytest.mark.parametrize("metallicity", ["0.0004", "0.004", "0.02", "0.05"])
def test_the_models_of_cigale_are_reproduced(metallicity: str, reference: Path, tmp_path: Path) -> None:
    models = Table.read(reference / "reference.csv")
    models = models[np.isclose(models["metallicity_Z"], float(metallicity))]
    rows = Table({"log_age": np.log10(models["age_myr"]) + 6, "ebv": models["ebv"], "r_v": models["rv"]})
    rows.write(tmp_path / "in.csv")
    sets = [f"model.ssp={reference / f'ssp_Z{metallicity}.npz'}", "model.ages=cigale"]
    sets += [f"model.bands.{band}={reference / f'hst.wfc3.{band}.dat'}" for band in BANDS]
    config = load_config(shipped_configs()["walter2026"], sets)
    assert flux(config, tmp_path / "in.csv", tmp_path / "out.csv") == 0
    out = Table.read(tmp_path / "out.csv")
    assert len(out) == len(models) > 0
    for band in BANDS:
        np.testing.assert_allclose(out[f"flux_{band}"], models[f"fnu_mJy_{band}"], rtol=1e-9)


def write(path: Path, **columns: object) -> Path:
    Table(columns).write(path)
    return path


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"log_age": [7.0]}, "has no column ebv; it has log_age"),
        ({"log_age": [7.0], "ebv": ["much"]}, "column ebv holds something that is not a number"),
        ({"log_age": [7.0], "ebv": [0.1], "metallicity": [0.004]}, "model.fixed.metallicity=VALUE"),
        ({"log_age": [7.0], "ebv": [0.1], "distance_pc": [1e6]}, "column distance_pc is not a parameter of this model"),
        ({"log_age": [7.0], "ebv": [0.1], "distance": [1.0], "distance_mpc": [1.0]}, "has distance twice"),
    ],
)
def test_wrong_tables(tiny: Callable[..., Path], tmp_path: Path, columns: dict[str, list[object]], says: str) -> None:
    with pytest.raises(InputError, match=says):
        flux(load_config(tiny()), write(tmp_path / "in.csv", **columns), tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_a_table_that_is_not_there(tiny: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv does not exist"):
        flux(load_config(tiny()), tmp_path / "none.csv", tmp_path / "out.csv")


def test_vectors_are_no_parameters(tiny: Callable[..., Path], tmp_path: Path) -> None:
    table = tmp_path / "in.fits"
    Table({"log_age": [7.0, 8.0], "ebv": np.zeros((2, 3))}).write(table)
    with pytest.raises(InputError, match=r"in.fits has no column ebv; it has log_age"):
        flux(load_config(tiny()), table, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_an_impossible_row_is_nan_and_counted(tiny: Callable[..., Path], tmp_path: Path) -> None:
    table = write(tmp_path / "in.csv", id=["a", "b", "c"], log_age=[7.0, 4.0, 7.0], ebv=[0.1, 0.1, -1.0])
    assert flux(load_config(tiny()), table, tmp_path / "out.fits") == 2
    out = Table.read(tmp_path / "out.fits")
    assert [str(name).strip() for name in out["id"]] == ["a", "b", "c"]
    assert np.isfinite(np.ma.filled(out["flux_F555W"], np.nan)).tolist() == [True, False, False]


def test_distance_and_units_are_those_of_the_column(tiny: Callable[..., Path], tmp_path: Path) -> None:
    parameters = {"log_age": [7.0], "ebv": [0.1], "log_mass": [4.0]}
    same: list[dict[str, object]] = [
        parameters | {"distance": [10.0]},
        parameters | {"distance_mpc": [10.0]},
        parameters | {"distance": [10_000.0] * u.kpc},
        parameters | {"log_age": [10.0] * u.Myr, "log_mass": [1e4] * u.solMass, "distance": [1e7] * u.pc},
    ]
    fluxes = []
    for number, columns in enumerate(same):
        out = tmp_path / f"out{number}.ecsv"
        assert flux(load_config(tiny()), write(tmp_path / f"in{number}.ecsv", **columns), out) == 0
        fluxes.append(Table.read(out)["flux_F555W"][0])
    assert 1e-6 < fluxes[0] < 1
    np.testing.assert_allclose(fluxes, fluxes[0], rtol=1e-12)


def test_a_unit_of_another_kind_is_refused(tiny: Callable[..., Path], tmp_path: Path) -> None:
    table = write(tmp_path / "in.ecsv", log_age=[7.0], ebv=[0.1], distance=[29.0] * u.mag)
    with pytest.raises(InputError, match="column distance is in mag, but it must be in Mpc; convert it"):
        flux(load_config(tiny()), table, tmp_path / "out.csv")
