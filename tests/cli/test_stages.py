"""A catalogue without a config, as a user meets it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from astropy.table import Table

from hpcflow.config.load import load_config

Command = Callable[..., tuple[str, str]]
FILTERS = ("F275W", "F336W", "F438W", "F555W")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A table of a user's own, in the current folder: four clusters with names of his own for the columns."""
    rows = Table({"ID": [1, 2, 3, 4], "dist": [17.7] * 4})
    for i, name in enumerate(FILTERS):
        rows[f"{name.lower()}_mag_vega"] = np.array([21.1, 22.4, 22.0, 21.2]) + 0.2 * i
        rows[f"{name.lower()}_emag_vega"] = [0.1, 0.05, 0.1, 0.02]
    rows["f555w_mag_vega"][3] = 99.999
    rows.write(tmp_path / "mine.csv")
    return Path("mine.csv")


def test_a_catalogue_alone_is_enough(hpcflow: Command, mine: Path) -> None:
    out, _ = hpcflow("infer", mine, "--workers", 1)
    assert out.splitlines()[0] == "catalogue  mine.csv: table, 4 clusters"
    assert out.splitlines()[-1] == "run folder: runs/mine"
    with xr.open_zarr("runs/mine/posteriors.zarr") as ds:
        assert ds["cluster_id"].values.tolist() == ["1", "2", "3", "4"]
        assert np.isfinite(ds["theta"].values).all()
        assert (ds["distance"].values == 17.7).all()
        assert ds["observed"].values.sum(axis=0).tolist() == [4, 4, 4, 3]
    # The run folder takes the config that is written down for its own.
    hpcflow("init", "--from", mine, "new")
    _, said = hpcflow("infer", "new/mine.yaml", "--workers", 1)
    assert "all 4 rows are done already" in said


def test_a_config_is_written_for_a_catalogue(hpcflow: Command, mine: Path) -> None:
    out, _ = hpcflow("init", "--from", mine, "new")
    assert out.splitlines()[-1] == "config: new/mine.yaml"
    config = load_config(Path("new/mine.yaml"))
    assert config.infer.columns is not None
    assert config.infer.columns.model_dump()["F555W"] == ["f555w_mag_vega", "f555w_emag_vega"]
    assert "exists already" in hpcflow("init", "--from", mine, "new", code=2)[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("infer", "mine.csv", "other.csv"), "hpcflow init --from mine.csv"),
        (("infer", "nowhere.csv"), "nowhere.csv does not exist"),
        (("infer", "mine.txt"), "mine.txt is of no known kind"),
        (("infer", "bare.csv"), "give --set infer.unit=Vega or --set infer.unit=AB"),
        (("init", "--from", "bare.csv"), "give --set infer.unit=Vega or --set infer.unit=AB"),
        (("init", "--from", "mine.csv", "new", "other"), "give nothing but a folder"),
        (("init", "--from", "mine.csv", "--site", "generic"), "give nothing but a folder"),
        (("init", "demo", "--set", "name=x"), "--set goes with --from"),
    ],
)
def test_wrong_input_is_one_sentence_and_writes_nothing(
    hpcflow: Command, mine: Path, arguments: tuple[str, ...], words: str
) -> None:
    Path("mine.txt").write_text(mine.read_text())
    Path("bare.csv").write_text(mine.read_text().replace("_vega", ""))
    before = set(Path().iterdir())
    _, error = hpcflow(*arguments, code=2)
    assert len(error.splitlines()) == 1
    assert words in error
    assert set(Path().iterdir()) == before
