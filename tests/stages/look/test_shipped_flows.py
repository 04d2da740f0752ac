"""The listing of the flows that ship, and every one of them: small, with its record, and able to answer."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from rich.console import Console
from typer.testing import CliRunner

from hpcflow.base.errors import InputError
from hpcflow.cli.main import app
from hpcflow.compute.where import InProcess
from hpcflow.config.load import load_config
from hpcflow.flow import shipped
from hpcflow.model.filters import shipped_curves
from hpcflow.stages.build import build_survey_simulator
from hpcflow.stages.infer import infer
from hpcflow.stages.look.shipped_flows import flows_table, open_flow
from hpcflow.stages.mock import make_mock
from hpcflow.stages.run import Run

MOST_MB = 3.0
RECORD = {
    "gap": 0.123, "ecdf": 0.004, "coverage_68": 0.681, "coverage_95": 0.952, "pairs": 100_000,
    "command": "hpcflow train tiny.yaml", "processor_hours": 2, "date": "2026-11-28", "commit": "0123abcd",
    "machine": "two cores",
}  # fmt: skip


@pytest.fixture
def tiny_ships(inferred: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let the small run's flow be the only one that ships, and give its folder."""
    folder = tmp_path / "flows" / "tiny"
    folder.mkdir(parents=True)
    for path in inferred.flow.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / shipped.RECORD).write_text(json.dumps(RECORD))
    monkeypatch.setattr(shipped, "FOLDER", folder.parent)
    return folder


def test_the_table_says_what_each_flow_is_for(tiny_ships: Path) -> None:
    page = io.StringIO()
    Console(file=page, width=200).print(flows_table())
    text = page.getvalue()
    for words in ("tiny", "star clusters", "WFC3_UVIS F275W F336W F438W F555W F814W", "log_mass", "1 to 30 Mpc",
                  "normal noise of 5 to 50 %", "0.123 nats", "68.1, 95.2 %", "0.0 MB"):  # fmt: skip
        assert words in text, words


def test_one_flow_is_shown_with_a_config_that_uses_it(tiny_ships: Path, tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["flows", "tiny"])
    assert said.exit_code == 0
    for words in ("log_age 6 to 10.1383 dex(yr)", "0.123 nats to the exact posterior", "on 100,000 simulations",
                  "2 processor hours", "2026-11-28, with commit 0123abcd", "machine        two cores"):  # fmt: skip
        assert words in said.output, words
    facts, _, recipe = said.output.partition("\n\n")
    assert facts.count("\n") == len(open_flow("tiny").facts()) - 1
    (tmp_path / "recipe.yaml").write_text(recipe)
    config = load_config(tmp_path / "recipe.yaml")
    assert config.infer.flow == "shipped:tiny"
    assert config.model == open_flow("tiny").config.model


def test_a_flow_that_does_not_ship_is_refused(tiny_ships: Path, tiny: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean tiny"):
        open_flow("tin")
    with pytest.raises(InputError, match="did you mean tiny"):
        infer(load_config(tiny(), ["infer.flow=shipped:tiyn"]), Run(tmp_path / "run"), InProcess())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", shipped.names())
def test_every_flow_that_ships_is_small_and_answers(name: str, tmp_path: Path) -> None:
    flow = open_flow(name)
    assert flow.megabytes <= MOST_MB
    assert flow.calibration.pairs >= 1000
    assert set(flow.config.model.bands.values()) <= set(shipped_curves())
    (tmp_path / "recipe.yaml").write_text(flow.recipe())
    few = ["mock.n=40", "infer.samples=512", "infer.keep=100", "infer.predictive=50"]
    config = load_config(tmp_path / "recipe.yaml", [*few, f"infer.catalogues={tmp_path / 'mock.fits'}"])
    make_mock(build_survey_simulator(config), config.model.bands, 40, 1, tmp_path)
    run = Run(tmp_path / "run")
    infer(config, run, InProcess())
    with xr.open_zarr(run.posteriors) as ds:
        have = np.isfinite(ds["map"].values).all(axis=1)
        assert have.sum() > 20
        assert np.median(ds["efficiency"].values[have]) > 0.1  # a flow that was trained
