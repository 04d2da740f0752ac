"""The whole way as jobs of the pretended cluster: the same bytes as here, whatever befalls the jobs."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hpcflow.compute.slurm import ask

ROOT = Path(__file__).parents[2]
STORES = ("simulations.zarr", "posteriors.zarr", "report/validation.zarr", "flow/weights.safetensors")
STAGES = ["simulate", "train", "infer", "validate", "report"]
AT_SITE = ("--site", "devcluster", "--submit")

pytestmark = [pytest.mark.slurm, pytest.mark.slow]


def hpcflow(folder: Path, *arguments: object, code: int = 0) -> str:
    """Run a command in a folder, and return what it prints."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "hpcflow", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def job(run: Path, stage: str) -> str:
    return json.loads((run / "logs" / "jobs.json").read_text())[stage]["id"]


def state(id: str) -> str:
    return ask("squeue", "--noheader", "--states=all", f"--jobs={id}", "--format=%T").strip()


def wait_for(what: Callable[[], object], seconds: float = 900) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, ask("squeue", "--states=all", "--format=%i %j %T %r")
        time.sleep(0.3)


def ended(run: Path) -> bool:
    return all(state(job(run, stage)) in ("COMPLETED", "FAILED", "CANCELLED") for stage in STAGES)


def files(path: Path) -> dict[str, bytes]:
    if path.is_file():
        return {"": path.read_bytes()}
    found = {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}
    if "zarr.json" in found:  # the commit that wrote it is no result
        group = json.loads(found["zarr.json"])
        group["attributes"].pop("git", None)
        found["zarr.json"] = json.dumps(group).encode()
    return found


def same(one: Path, other: Path) -> None:
    a, b = files(one), files(other)
    assert a.keys() == b.keys()
    assert [name for name in a if a[name] != b[name]] == []


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, write_config: Callable[..., Path]) -> Path:
    """Give a folder with a config, a catalogue, and the run `local` that was made on this machine."""
    folder = tmp_path_factory.mktemp("slurm")
    write_config(
        folder, infer={"catalogues": ["mock/mock.fits"], "samples": 200, "keep": 50, "predictive": 30, "partition": 8}
    )
    hpcflow(folder, "mock", "tiny.yaml", "--out", "mock")
    hpcflow(folder, "run", "tiny.yaml", "--run", "local", "--workers", 2, "--ranks", 2)
    return folder


def test_a_chain_whose_first_driver_is_killed(here: Path) -> None:
    run = here / "chain"
    said = hpcflow(here, "run", "tiny.yaml", "--run", run, *AT_SITE).splitlines()
    assert [line.partition(":")[0] for line in said[:-1]] == STAGES
    driver = job(run, "simulate")
    wait_for(lambda: "to do, on up to 4 workers" in "".join(p.read_text() for p in run.glob("logs/simulate.*.out")))
    ask("scancel", "--batch", "--signal=KILL", driver)
    wait_for(lambda: ended(run))
    assert state(driver) == "FAILED"
    assert state(job(run, "train")) == "CANCELLED"
    assert f"simulate: job {driver} is failed" in hpcflow(here, "status", run)

    hpcflow(here, "run", "tiny.yaml", "--run", run, *AT_SITE)
    again = hpcflow(here, "run", "tiny.yaml", "--run", run, *AT_SITE)
    assert again.count(" already") == len(STAGES)
    wait_for(lambda: ended(run))
    assert "everything is done" in hpcflow(here, "status", run)
    for store in STORES:
        same(here / "local" / store, run / store)
    assert hpcflow(here, "run", "tiny.yaml", "--run", run, *AT_SITE).count("finished already") == len(STAGES)
    workers = ask("squeue", "--noheader", "--states=all", "--format=%j on %N").splitlines()
    for stage in ("simulate", "infer"):
        assert sum("-chain-" in name and f"-{stage}-worker on cpu" in name for name in workers) >= 4


def test_training_goes_on_after_the_warning(here: Path) -> None:
    """The time limit itself takes two minutes to come; its signal is the same."""
    run, longer = here / "local", ("--set", "train.steps=150", "--run")
    for name in ("undisturbed", "warned"):
        (here / name).mkdir()
        (here / name / "simulations.zarr").symlink_to(run / "simulations.zarr")
        (here / name / "run.yaml").write_text((run / "run.yaml").read_text().partition("frozen:")[0] + "frozen: []\n")
    hpcflow(here, "train", "tiny.yaml", *longer, "undisturbed", "--ranks", 2, "--workers", 2)
    hpcflow(here, "train", "tiny.yaml", *longer, "warned", *AT_SITE)
    id = job(here / "warned", "train")
    log = here / "warned" / "logs" / f"train.{id}.out"
    wait_for(lambda: log.is_file() and "weights on" in log.read_text())
    ask("scancel", "--batch", "--signal=USR1", id)
    wait_for(lambda: state(id) in ("COMPLETED", "FAILED"))
    assert state(id) == "COMPLETED", log.read_text()
    assert "goes back into the queue" in log.read_text()
    assert "put back into the queue 1 time" in hpcflow(here, "status", "warned")
    same(here / "undisturbed" / "flow" / "weights.safetensors", here / "warned" / "flow" / "weights.safetensors")


def test_a_driver_that_finishes_nothing_before_its_time_limit_is_not_put_back_for_ever(here: Path) -> None:
    """Its workers never come; the warning is sent by hand, as the limit itself takes a minute to come."""
    site = (ROOT / "slurm" / "sites" / "devcluster.yaml").read_text()
    (here / "slow.yaml").write_text(f"{site}activate: ['[[ ! $SLURM_JOB_NAME == *-worker ]] || sleep 600']\n")
    hpcflow(here, "simulate", "tiny.yaml", "--run", "vain", "--site", "./slow.yaml", "--submit")
    id, said = job(here / "vain", "simulate"), here / "vain" / "logs" / "simulate.log"
    for life in range(3):
        wait_for(lambda life=life: said.is_file() and said.read_text().count("to do, on up to") == life + 1)
        ask("scancel", "--batch", "--signal=USR1", id)
    wait_for(lambda: state(id) == "FAILED")
    log = (here / "vain" / "logs" / f"simulate.{id}.out").read_text()
    assert log.count("goes back into the queue") == 2
    assert (
        "three times in a row the time limit came before anything was finished, as driver.walltime_minutes (30)" in log
    )


def test_cancel_ends_a_run_and_nothing_else(here: Path) -> None:
    other = ask("sbatch", "--parsable", "--mem=50M", "--output=/dev/null", "--wrap=sleep 3000").strip()
    run = here / "cancelled"
    hpcflow(here, "run", "tiny.yaml", "--run", run, *AT_SITE)
    wait_for(lambda: any("-cancelled-" in n and n.endswith("-worker") for n in ask("squeue", "-h", "-o%j").split()))
    assert "jobs cancelled" in hpcflow(here, "cancel", run)
    assert not any("-cancelled-" in name for name in ask("squeue", "--noheader", "--format=%j").split())
    assert state(other) == "RUNNING"
    ask("scancel", other)
    assert "see" in hpcflow(here, "status", run)
