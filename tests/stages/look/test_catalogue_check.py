from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from hpcflow.base.errors import InputError
from hpcflow.config.load import load_config
from hpcflow.stages.build import build_survey_simulator
from hpcflow.stages.init import shipped_configs
from hpcflow.stages.look.catalogue_check import check
from hpcflow.stages.mock import make_mock


def test_what_is_in_a_catalogue_is_said_and_drawn(tmp_path: Path) -> None:
    config = load_config(shipped_configs()["phangs"])
    path, _ = make_mock(build_survey_simulator(config), config.model.bands, 300, 1, tmp_path)
    table = Table.read(path)
    near = np.flatnonzero(table["PHANGS_GALAXY"].astype(str) == "ngc5068")[:7]
    table["PHANGS_CLUSTER_CLASS_HUMAN"][near] = 3
    table["PHANGS_F336W_mJy"][near[:5]] = -9999.0
    table.write(path, overwrite=True)
    lines = list(check(config, path, tmp_path / "sub" / "colours.png"))
    said = "\n".join(lines)
    assert lines[0] == "mock.fits: phangs, 300 rows of 39 galaxies"
    assert "NGC0628C" in said
    assert "at 9.84 Mpc +- 0.027 dex, in F275W+F336W+ACS_F435W+ACS_F555W+ACS_F814W" in said
    assert "7 of class 3" in said
    assert "293 are in class 1, 2, which infer.classes selects" in said
    assert "classes were given by humans for 300" in said
    (band,) = [line for line in lines if line.startswith("  F336W")]
    assert "no_coverage" in band
    assert "% beyond training's" in band
    assert (tmp_path / "sub" / "colours.png").read_bytes().startswith(b"\x89PNG")


def test_what_inference_would_refuse_is_refused_here_too(tiny: Callable[..., Path], tmp_path: Path) -> None:
    Table({"a": [1]}).write(tmp_path / "bad.csv")
    with pytest.raises(InputError, match=r"bad\.csv has no column galaxy"):
        list(check(load_config(tiny()), tmp_path / "bad.csv", None))


def test_a_systematic_of_each_band_is_in_the_errors_that_are_said(tiny: Callable[..., Path], tmp_path: Path) -> None:
    bands = dict.fromkeys(("F275W", "F336W", "F438W", "F555W", "F814W"), 0.05)
    config = load_config(tiny(observe={"systematic": bands | {"F275W": 0.3}}))
    path, _ = make_mock(build_survey_simulator(config), config.model.bands, 100, 1, tmp_path)
    lines = {line.split(":")[0].strip(): line for line in check(config, path, None)}
    low = {band: float(lines[band].split("errors ")[1].split(",")[0]) for band in bands}
    assert low["F275W"] > 0.3
    assert low["F336W"] < 0.2


def test_what_waits_and_what_is_lacking_is_said(tmp_path: Path) -> None:
    n, path = 6, tmp_path / "mine.csv"
    table = Table({"galaxy": ["NGC1566"] * 4 + ["M51"] * 2, "id": np.arange(n)})
    for name in ("F275W", "F336W", "F555W", "F814W"):
        table[name], table[f"{name}_err"] = np.full(n, 1.5e-3), np.full(n, 1e-4)
    table.write(path)
    lines = list(check(load_config(shipped_configs()["demo"]), path, tmp_path / "colours.png"))
    assert "mine.csv lacks F438W: it is masked for all its clusters" in lines
    assert "mine.csv: 2 clusters of M51 wait for a distance: give one in infer.distance_mpc" in lines
    assert "  M51: 2 rows (2 without a class) without a distance, in F275W+F336W+F555W+F814W" in lines
    assert "6 clusters have at least two usable bands, 0 do not" in lines
    assert "there are no classes: set infer.classes to null to infer all clusters" in lines
