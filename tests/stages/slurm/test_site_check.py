"""`hpcflow site check` on the pretended cluster, with what users get wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
RIGHT = {"interface": "lo", "memory_gb": "0.5"}

pytestmark = pytest.mark.slurm


def check(folder: Path, site: str) -> tuple[int, list[str]]:
    command = [sys.executable, "-m", "hpcflow", "site", "check", site, "--folder", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


@pytest.mark.slow
def test_a_correct_site_passes(tmp_path: Path) -> None:
    code, said = check(tmp_path, "devcluster")
    kinds = ["driver", "worker, submitted by a job", "worker", "train"]
    assert [line.split(":")[0] for line in said] == [f"ok   {kind}" for kind in kinds]
    assert "2 ranks met" in said[-1]
    assert code == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_ranks_meet_though_sbatch_passes_no_environment_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBATCH_EXPORT", "NONE")
    sites = ["interface: lo", f"activate: ['export PYTHONPATH={ROOT}']", "memory_gb: 1"]
    (tmp_path / "bare.yaml").write_text("\n".join([*sites, "train: {partition: gpu, nodes: 2, ranks: 2}", ""]))
    code, said = check(tmp_path, "./bare.yaml")
    assert "2 ranks met" in said[-1]
    assert code == 0


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("partition: nowhere", "partition 'nowhere': "),
        ("interface: ib7", "no address on an interface ib7; it has "),
        ("python: /nowhere/python", "the interpreter is not on the node; set python"),
        ("modules: [gcc]", "nodes have no `module` command; "),
        ("activate: ['exec false']", "it printed nothing and ended as failed"),
        ("memory_gb: 5000", "memory_gb 5000.0: sbatch refused: Memory specification"),
        ("gres: 'gpu:9'", "no node has these cores, memory_gb, gres and constraint"),
        ("constraint: fast", "constraint 'fast': "),
        ("directives: ['--nonsense']", "directives ('--nonsense',): "),
    ],
)
def test_a_wrong_site_is_explained(tmp_path: Path, line: str, says: str) -> None:
    key, _, value = line.partition(": ")
    lines = [f"{key}: {value}" for key, value in (RIGHT | {key: value}).items()]
    (tmp_path / "wrong.yaml").write_text("\n".join([*lines, ""]))
    code, said = check(tmp_path, "./wrong.yaml")
    assert code == 1
    assert any(line.startswith("WRONG ") and says in line for line in said), said


def test_a_worker_that_cannot_write_its_scratch(tmp_path: Path) -> None:
    text = "interface: lo\nmemory_gb: 0.5\nscratch: /nowhere\n"
    (tmp_path / "wrong.yaml").write_text(text)
    code, said = check(tmp_path, "./wrong.yaml")
    assert code == 1
    wrong = [line for line in said if line.startswith("WRONG ")]
    assert all("scratch /nowhere cannot be written" in line for line in wrong)
    assert {line.split(":")[0] for line in wrong} == {"WRONG worker", "WRONG worker, submitted by a job"}
