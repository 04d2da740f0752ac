"""The commands that need no run, and comparisons, as the console script runs them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import zarr
from astropy.table import Table

from hpcflow.catalogues import mast
from hpcflow.stages.run import Run


def test_addresses_are_printed_one_a_line(hpcflow: Callable[..., tuple[str, str]]) -> None:
    out, _ = hpcflow("catalogue", "urls")
    lines = out.splitlines()
    assert sum(line.startswith("https://archive.stsci.edu/") for line in lines) == 45
    assert "hpcflow infer" in lines[-1]


def test_a_catalogue_is_made_checked_and_refused(
    hpcflow: Callable[..., tuple[str, str]], tiny: Callable[..., Path], tmp_path: Path
) -> None:
    config = tiny(mock={"n": 60, "form": "dr5"})
    out, _ = hpcflow("mock", config, "--out", tmp_path / "mock")
    human, _, machine, _ = map(Path, out.splitlines())
    said, _ = hpcflow("catalogue", "check", machine, "--config", config)
    assert said.startswith(f"{machine.name}: phangs, 60 rows")
    assert "classes were given by machines for 60" in said
    assert Path(f"{machine.name.split('.')[0]}-colours.png").is_file()
    machine.write_bytes(human.read_bytes()[:4000])
    _, error = hpcflow("catalogue", "check", machine, "--config", config, code=2)
    assert "cannot be read as a fits table" in error
    assert len(error.splitlines()) == 1


def test_a_mock_has_the_systematic_and_the_metallicity_of_its_config(
    hpcflow: Callable[..., tuple[str, str]], tiny: Callable[..., Path], tmp_path: Path
) -> None:
    config = tiny(mock={"n": 1000, "seed": 2})

    def made(*sets: str) -> tuple[float, set[float]]:
        """Return the scatter of bright fluxes about the truth, relative to it, and metallicities of young clusters."""
        options = [word for one in sets for word in ("--set", one)]
        mock, told = map(Path, hpcflow("mock", config, "--out", tmp_path / "mock", *options)[0].splitlines())
        catalogue, truth = Table.read(mock), Table.read(told)
        bright = (truth["F555W_mJy"] > 50 * catalogue["PHANGS_F555W_mJy_ERR"]) & (truth["component"] == "cluster")
        away = catalogue["PHANGS_F555W_mJy"][bright] / truth["F555W_mJy"][bright] - 1
        return float(np.std(away)), set(truth["metallicity"][truth["component"] == "cluster"].tolist())

    assert made() == (pytest.approx(0.05, rel=0.2), {0.02})
    assert made("observe.systematic=0.1") == (pytest.approx(0.1, rel=0.2), {0.02})
    assert made("observe.systematic=0.1", "mock.systematic=0.2") == (pytest.approx(0.2, rel=0.2), {0.02})
    assert made("mock.systematic=0", "model.fixed={metallicity: 0.008}") == (pytest.approx(0.011, abs=0.008), {0.008})


def test_status_says_how_many_clusters_wait_for_a_distance(
    hpcflow: Callable[..., tuple[str, str]], inferred: Run, copied: Callable[[Run], Run]
) -> None:
    run = copied(inferred)
    assert "wait" not in hpcflow("status", run.path)[0]
    zarr.open_group(run.posteriors)["distance"][:3] = float("nan")
    out, _ = hpcflow("status", run.path)
    assert "infer: 3 clusters have no posterior because they wait for a distance: give one in infer.distance_mpc" in out


def test_comparisons_are_printed_and_written(
    hpcflow: Callable[..., tuple[str, str]], inferred: Run, copied: Callable[[Run], Run]
) -> None:
    out, _ = hpcflow("compare", copied(inferred).path)
    assert "catastrophic_best" in out
    assert out.splitlines()[-1].endswith("recovery.ecsv")


@pytest.mark.parametrize("option", [["--galaxy", "NGC1566"], ["--append"]])
def test_what_runs_here_alone_is_not_submitted(
    hpcflow: Callable[..., tuple[str, str]], tiny: Callable[..., Path], option: list[str]
) -> None:
    _, error = hpcflow("infer", tiny(), "--site", "generic", "--submit", *option, code=2)
    assert "cannot be submitted" in error


def test_what_cannot_be_fetched_is_said_in_one_line(
    hpcflow: Callable[..., tuple[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, error = hpcflow("catalogue", "fetch", "M31", "--to", tmp_path / "here", code=2)
    assert "no catalogue has 'M31' in its file name" in error
    assert not (tmp_path / "here").exists()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(mast, "addresses", partial(mast.addresses, "http://127.0.0.1:9"))  # nobody is there
    _, error = hpcflow("catalogue", "fetch", "NGC1566", "--to", tmp_path / "here", code=1)
    assert "check that this machine reaches the internet" in error
    assert len(error.splitlines()) == 1
