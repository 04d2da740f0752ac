"""The command line where a site is named."""

import io
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from hpcflow.cli.main import main
from hpcflow.compute import slurm
from hpcflow.config.sites import load_site, shipped_sites

STAGES = ["simulate", "train", "infer", "validate", "report"]


def hpcflow(*arguments: object, code: int = 0) -> str:
    """Run a command in this process, and return what it says."""
    said = io.StringIO()
    argv, sys.argv = sys.argv, ["hpcflow", *map(str, arguments)]
    try:
        with redirect_stdout(said), redirect_stderr(said), pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = argv
    assert (ended.value.code or 0) == code, said.getvalue()
    return said.getvalue()


@pytest.fixture
def config(tiny: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(slurm, "PAUSE_S", 0.01)
    return tiny()


@pytest.mark.parametrize("name", shipped_sites())
def test_init_copies_a_site_that_can_be_used(tmp_path: Path, name: str) -> None:
    said = hpcflow("init", "demo", tmp_path, "--site", name).split()
    assert said == [str(tmp_path / "demo.yaml"), str(tmp_path / f"{name}.yaml")]
    assert load_site(said[1]) == load_site(name)


def test_init_writes_both_or_nothing(tmp_path: Path) -> None:
    assert "no shipped site nowhere" in hpcflow("init", "demo", tmp_path, "--site", "nowhere", code=2)
    (tmp_path / "generic.yaml").touch()
    assert "exists already" in hpcflow("init", "demo", tmp_path, "--site", "generic", code=2)
    assert not (tmp_path / "demo.yaml").exists()


@pytest.mark.parametrize("stage", ["simulate", "train", "validate", "report"])
def test_each_stage_can_be_submitted(fake_slurm: Any, config: Path, stage: str) -> None:
    said = hpcflow(stage, config, "--site", "devcluster", "--submit")
    assert said == f"{stage}: job 1\nnext: hpcflow status runs/tiny\n"
    assert fake_slurm.jobs["1"]["name"].endswith(f"-{stage}")
    assert f"{stage}: job 1 is running" in hpcflow("status", "runs/tiny")
    assert hpcflow("cancel", "runs/tiny") == "1 jobs cancelled\n"


def test_what_is_asked_for_goes_to_the_job(fake_slurm: Any, config: Path) -> None:
    options = ("--site", "devcluster", "--submit", "--run", "mine")
    hpcflow("simulate", config, *options, "--workers", 9, "--set", "simulate.seed=8")
    folder = Path("mine/logs/submitted/simulate")
    assert load_site(str(folder / "site.yaml")).workers == 9
    assert "seed: 8" in (folder / "config.yaml").read_text()
    hpcflow("train", config, *options, "--ranks", 4, "--set", "simulate.seed=8")
    command = fake_slurm.jobs["2"]["command"]
    assert {"--ntasks=4", "--nodes=2", "--ntasks-per-node=2", "--dependency=singleton,afterok:1"} <= set(command)


@pytest.mark.parametrize("stage", [*STAGES, "run"])
def test_a_dry_run_only_prints(fake_slurm: Any, config: Path, stage: str) -> None:
    sets = ("--set", "infer.catalogues=[none.csv]")
    if stage in ("infer", "run"):  # what is wrong is said here, too
        assert "none.csv" in hpcflow(stage, config, "--site", "devcluster", "--dry-run", *sets, code=2)
    else:
        assert hpcflow(stage, config, "--site", "devcluster", "--dry-run").startswith("sbatch --parsable")
    assert fake_slurm.calls("sbatch") == []
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("command", "options", "says"),
    [
        *((stage, option, "need --site") for stage in (*STAGES, "run") for option in ("--submit", "--dry-run")),
        ("train", "--site devcluster", "training at devcluster runs as a job; add --submit, or leave out --site"),
        ("run", "--site devcluster", "training at devcluster runs as a job; add --submit, or run the stages"),
        ("report", "--site devcluster", "the report at devcluster runs as a job; add --submit, or leave out --site"),
        ("train", "--site devcluster --workers 3 --submit", "train.cores"),
        ("train", "--site devcluster --ranks 3 --dry-run", "multiple of nodes"),
        ("run", "--site devcluster --ranks 3 --submit", "multiple of nodes"),
        ("infer", "--site devcluster --galaxy NGC1566 --submit", "cannot be submitted"),
        ("infer", "--site devcluster --append --dry-run", "cannot be submitted"),
        ("simulate", "--site nowhere --submit", "no shipped site"),
        ("search", "--trials 3 --site nowhere", "no shipped site"),
        ("search", "--trials 3 --submit", "No such option"),
        ("verify", "--submit", "No such option"),
        ("simulate", "--verify", "use `hpcflow verify RUN`"),
        ("infer", "--verify --site devcluster --submit", "use `hpcflow verify RUN`"),
        ("train", "--search 3", "use `hpcflow search CONFIG --trials N`"),
    ],
)
def test_what_does_not_go_together_is_refused(
    fake_slurm: Any, config: Path, command: str, options: str, says: str
) -> None:
    before = sorted(Path().rglob("*"))
    assert says in hpcflow(command, config, *options.split(), code=2)
    assert sorted(Path().rglob("*")) == before
    assert fake_slurm.calls("sbatch") == []


def test_a_refusal_of_slurm_is_one_sentence(fake_slurm: Any, config: Path) -> None:
    fake_slurm.set(refusal="Invalid account or account/partition combination specified")
    said = hpcflow("simulate", config, "--site", "devcluster", "--submit", code=2)
    assert said.startswith("hpcflow: sbatch refused: Invalid account")
    assert len(said.splitlines()) == 1
    assert not Path("runs/tiny/logs/jobs.json").exists()


def test_status_knows_what_was_submitted_while_slurm_is_away(fake_slurm: Any, config: Path) -> None:
    """Also before a job has begun, and it does not tell anybody to train on the login node meanwhile."""
    hpcflow("train", config, "--site", "devcluster", "--submit")
    fake_slurm.set(away=10_000)
    said = hpcflow("status", "runs/tiny")
    assert "train: job 1 is submitted; SLURM does not say how it is" in said
    assert "hpcflow train" not in said


def test_there_is_nothing_to_cancel_in_a_folder_that_is_no_run(fake_slurm: Any, tmp_path: Path) -> None:
    assert "not a run folder" in hpcflow("cancel", tmp_path, code=2)
    assert fake_slurm.calls("scancel") == []
