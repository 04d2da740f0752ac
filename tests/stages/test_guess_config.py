from collections.abc import Callable
from pathlib import Path

import pytest
from astropy.table import Table

from hpcflow.base.errors import InputError
from hpcflow.config.load import load_config
from hpcflow.stages.guess_config import guess_config, write_config
from hpcflow.stages.run import Run
from hpcflow.stages.same_model import columns_of, trained_config

FILTERS = ("F275W", "F336W", "F438W", "F555W")


def catalogue(path: Path, **columns: object) -> Path:
    """Write a table of four clusters in four bands of Vega magnitudes, with other columns."""
    rows = Table({"name": ["a", "b", "c", "d"], "galaxy": ["NGC1566"] * 4})
    for name in FILTERS:
        rows[f"{name}_vega"], rows[f"{name}_evega"] = [22.1, 22.4, 23.0, 21.2], [0.1, 0.05, 0.1, 0.02]
    for name, values in columns.items():
        rows[name] = values
    rows.write(path, overwrite=True)
    return path


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return catalogue(tmp_path / "mine.csv")


def test_a_guessed_config_is_whole_and_can_be_written_down(mine: Path) -> None:
    guessed = guess_config(mine)
    config = guessed.config
    assert config.name == "mine"
    assert config.model.bands == {name: f"WFC3_UVIS.{name}" for name in FILTERS}
    assert config.model.parameters["log_age"].high == 10.1383
    assert config.observe.noise == "normal"
    assert config.observe.systematic == 0.05
    assert config.observe.missing > 0
    assert config.observe.distance_mpc == (1.0, 30.0)
    assert config.infer.catalogues == [str(mine)]
    assert config.infer.unit == "Vega"
    assert config.infer.classes is None
    assert config.infer.posterior == "exact"
    written = write_config(guessed, mine.parent / "new")
    assert written == mine.parent / "new" / "mine.yaml"
    assert load_config(written) == config
    text = written.read_text()
    assert text.startswith("# Guessed from a catalogue:\n# catalogue")
    assert "    F555W: [F555W_vega, F555W_evega]\n" in text
    with pytest.raises(InputError, match="exists already"):
        write_config(guessed, mine.parent / "new")


def test_it_says_what_it_guessed(tmp_path: Path) -> None:
    vega = [-99.0, 99.999, 99.0, 22.0]
    path = catalogue(tmp_path / "mine.csv", F555W_vega=vega, F555W_snr=[9.0] * 4)
    words = guess_config(path).words
    assert words[0] == f"catalogue  {path}: table, 4 clusters"
    assert words[1:4] == (
        "galaxies   NGC1566 at 17.69 Mpc",
        "columns    galaxy = galaxy",
        "unit       Vega",
    )
    assert "band       F275W  F275W_vega  F275W_evega  WFC3_UVIS.F275W  4 usable" in words
    assert (
        "band       F555W  F555W_vega  F555W_evega  WFC3_UVIS.F555W  1 usable, 1 no coverage, 2 not detected" in words
    )
    assert words[-2:] == (
        "note       F555W: of WFC3_UVIS, as F438W suggests; model.bands can say otherwise",
        "left out   F555W_snr: snr is not known to be a flux or a magnitude",
    )


def test_what_is_set_prevails(mine: Path) -> None:
    wanted = ["infer.samples=1500", "name=other", "infer.distance_mpc.NGC1566=40", "model.bands.F555W=ACS_WFC.F555W"]
    config = guess_config(mine, wanted).config
    assert config.name == "other"
    assert config.infer.samples == 1500
    assert config.model.bands["F555W"] == "ACS_WFC.F555W"
    assert config.observe.distance_mpc == (1.0, 50.0)
    assert guess_config(mine, [*wanted, "observe.distance_mpc=[1, 60]"]).config.observe.distance_mpc == (1.0, 60.0)
    three = "{F275W: WFC3_UVIS.F275W, F336W: WFC3_UVIS.F336W, F438W: WFC3_UVIS.F438W}"
    assert list(guess_config(mine, [f"model.bands={three}"]).config.model.bands) == list(FILTERS[:3])


def test_with_a_flow_the_model_is_that_of_the_flow_and_so_are_the_bands(mine: Path, inferred: Run) -> None:
    other = catalogue(mine.parent / "other.csv", acs_f814w_vega=[21.0] * 4, acs_f814w_evega=[0.1] * 4)
    named = f"infer.flow={inferred.path}"
    guessed = guess_config(other, [named, "infer.posterior=flow"])
    trained, config = trained_config(inferred.flow), guessed.config
    assert config.infer.posterior == "flow"
    assert config.observe == trained.observe
    assert config.model.parameters == trained.model.parameters
    assert config.model.bands == {name: f"WFC3_UVIS.{name}" for name in FILTERS}
    why = f"acs_f814w_vega: {inferred.path} does not know ACS_WFC.F814W"
    assert guessed.words[-1] == f"left out   {why}"
    assert columns_of(inferred.flow, config) == [0, 1, 2, 3]
    assert guess_config(mine, [named]).config.infer.posterior == "auto"
    with pytest.raises(InputError, match="holds no trained flow"):
        guess_config(mine, ["infer.flow=runs/demo"])


def test_a_flow_that_knows_too_few_of_the_bands_is_refused(tmp_path: Path, inferred: Run) -> None:
    acs = Table({"id": [1], "distance": [10.0]})
    for name in ("F435W", "F555W", "F814W"):
        acs[f"{name}_mjy"], acs[f"{name}_emjy"] = [1e-3], [1e-4]
    acs.write(tmp_path / "acs.csv")
    with pytest.raises(InputError, match=r"knows only 0 of the bands ACS_WFC.F435W, .*; leave out infer\.flow"):
        guess_config(tmp_path / "acs.csv", [f"infer.flow={inferred.path}"])


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("infer.unit=[1]", r"infer\.unit: "),
        ("infer.columns=5", r"infer\.columns"),
        ("infer=5", "infer"),
        ("model=5", "model"),
        ("model.bands=5", r"model\.bands must be a mapping"),
        ("observe=5", "observe"),
        ("infer.colums.F555W=[a,b]", r"infer\.colums is not a known key"),
        ("model.bands.F555W=nowhere", "filter curve nowhere is neither a file nor shipped"),
        ("infer.columns.F555W=[F555W_vega, nowhere]", r"has no column nowhere, which infer\.columns\.F555W names"),
        ("infer.columns.F555W=[nowhere, F555W_evega]", r"has no column nowhere, which infer\.columns\.F555W names"),
        ("infer.columns.ra=nowhere", r"has no column nowhere, which infer\.columns\.ra names"),
        ("infer.unit=parsec", r"infer\.unit parsec is none of"),
    ],
)
def test_what_is_set_wrongly_is_refused(mine: Path, override: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        guess_config(mine, [override])


@pytest.mark.parametrize(
    ("file", "name"),
    [("a.fits.gz", "a"), ("my clusters (2).csv", "my-clusters-2-"), (".ecsv", "catalogue"), ("a.b.fits", "a.b")],
)
def test_a_run_is_named_after_its_file(tmp_path: Path, file: str, name: str) -> None:
    assert guess_config(catalogue(tmp_path / file)).config.name == name


@pytest.mark.parametrize(("galaxy", "clusters"), [("ngc1566", "NGC1566"), ("ngc628-c", "NGC0628C")])
def test_legus_tables_need_no_word(legus: Callable[[str], Path], galaxy: str, clusters: str) -> None:
    guessed = guess_config(legus(galaxy))
    assert guessed.config.infer.classes == [1, 2]
    assert guessed.words[1].startswith(f"galaxies   {clusters} at")
    assert "unit       Vega" in guessed.words
