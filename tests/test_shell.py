"""Every shell file is clean, and fails where it has to."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIB = ROOT / "jobs" / "lib.sh"
SCRIPTS = [*sorted((ROOT / "jobs").iterdir()), *sorted((ROOT / "slurm" / "devcluster").iterdir()), ROOT / ".ci" / "run"]
LOOP = "while :; do sleep 0.05; done"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_has_nothing_to_say(script: Path, need: Callable[[str], str]) -> None:
    done = subprocess.run([need("shellcheck"), str(script)], capture_output=True, text=True)
    assert done.stdout == ""
    assert done.returncode == 0


@pytest.fixture
def scontrol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a stand-in for scontrol on the path, and give the file that it notes its arguments in."""
    (tmp_path / "scontrol").write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/asked\n')
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path), os.environ["PATH"]]))
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    return tmp_path / "asked"


def to_the_end(command: str, *signals: str) -> int:
    """Run a command as jobs do; it prints once it is ready for signals."""
    job = ["bash", "-c", f'source "{LIB}"; to_the_end bash -c "$1"', "bash", command]
    with subprocess.Popen(job, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        process.stdout.readline()
        for number in signals:
            subprocess.run(["kill", f"-{number}", str(process.pid)], check=True)
        process.communicate(timeout=60)
        return process.returncode


@pytest.mark.parametrize("code", [0, 1, 2, 3, 85])
def test_without_a_warning_a_job_ends_as_its_command_does(scontrol: Path, code: int) -> None:
    assert to_the_end(f"echo; exit {code}") == code
    assert not scontrol.exists()


@pytest.mark.parametrize("code", [1, 138])
def test_a_command_that_was_stopped_by_the_warning_is_put_back(scontrol: Path, code: int) -> None:
    assert to_the_end(f"trap 'exit {code}' USR1; echo; {LOOP}", "USR1") == code
    assert scontrol.read_text() == "requeue 7\n"


def test_a_command_that_knows_no_warning_is_put_back_too(scontrol: Path) -> None:
    assert to_the_end("echo; exec sleep 60", "USR1") == 138
    assert scontrol.read_text() == "requeue 7\n"


@pytest.mark.parametrize("code", [0, 2, 3])
def test_what_would_end_the_same_again_is_not_put_back(scontrol: Path, code: int) -> None:
    assert to_the_end(f"trap 'exit {code}' USR1; echo; {LOOP}", "USR1") == code
    assert not scontrol.exists()


@pytest.fixture
def lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the file that counts the lives of a job."""
    monkeypatch.setenv("HPCFLOW_LIVES", str(tmp_path / "lives"))
    monkeypatch.setenv("HPCFLOW_LIMIT", "driver.walltime_minutes (1)")
    return tmp_path / "lives"


def test_three_lives_in_which_nothing_was_finished_end_a_job(
    scontrol: Path, lives: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives.write_text("of\nan\nearlier\njob\n")
    codes = []
    for count in range(3):
        monkeypatch.setenv("SLURM_RESTART_COUNT", str(count))
        codes.append(to_the_end(f"trap 'exit 1' USR1; echo; {LOOP}", "USR1"))
    assert codes == [1, 1, 2]
    assert scontrol.read_text() == "requeue 7\n" * 2


def test_lives_in_which_something_was_finished_do_not_count(
    scontrol: Path, lives: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for count in range(6):
        monkeypatch.setenv("SLURM_RESTART_COUNT", str(count))
        progress = f"rm {lives}; " if count in (2, 4) else ""
        assert to_the_end(f"{progress}trap 'exit 1' USR1; echo; {LOOP}", "USR1") == 1
    assert scontrol.read_text() == "requeue 7\n" * 6


def test_a_cancelled_job_does_not_come_back(scontrol: Path) -> None:
    assert to_the_end("echo; sleep 0.5; exit 1", "TERM") == 1
    assert not scontrol.exists()


def test_a_slurm_that_is_missing_is_said_at_once(tmp_path: Path) -> None:
    bash = subprocess.run(["bash", "-c", "command -v bash"], capture_output=True, text=True, check=True).stdout.strip()
    environment = {"PATH": str(tmp_path), "TMPDIR": str(tmp_path)}
    up = ROOT / "slurm" / "devcluster" / "up"
    done = subprocess.run([bash, str(up)], env=environment, capture_output=True, text=True)
    assert done.returncode == 2  # /usr/sbin is always looked at, but no sbatch is there
    assert " is missing; apt-get install" in done.stderr
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())


def test_ranks_get_the_environment_though_the_site_passes_none_on(tmp_path: Path) -> None:
    """SBATCH_EXPORT=NONE leaves SLURM_EXPORT_ENV=NONE to jobs, which only srun's own option overrides."""
    (tmp_path / "srun").write_text('#!/bin/sh\necho "$*"\n')
    (tmp_path / "srun").chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_CPUS_PER_TASK": "3"}
    job = ["bash", "-c", f'source "{LIB}"; HPCFLOW_SRUN=(--mpi=none "--x=a b"); ranks python -m hpcflow']
    done = subprocess.run(job, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "--export=ALL --cpus-per-task=3 --kill-on-bad-exit=1 --mpi=none --x=a b python -m hpcflow\n"
