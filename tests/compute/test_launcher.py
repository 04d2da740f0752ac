"""The launcher, on commands that need no torch."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hpcflow.compute import launcher as module
from hpcflow.compute.launcher import launch, launched

BEGIN = "import os, pathlib, signal, sys, time; rank = int(os.environ['HPCFLOW_RANK']); "


def command(code: str) -> list[str]:
    return [sys.executable, "-c", BEGIN + code]


def test_every_process_knows_its_rank(tmp_path: Path) -> None:
    code = (
        f"text = ' '.join(os.environ[n] for n in ('HPCFLOW_RANKS', 'HPCFLOW_RENDEZVOUS')); "
        f"pathlib.Path({str(tmp_path)!r}, str(rank)).write_text(text)"
    )
    assert launch(command(code), 3) == 0
    said = [(tmp_path / str(rank)).read_text() for rank in range(3)]
    assert len(set(said)) == 1
    size, meeting = said[0].split()
    assert size == "3"
    assert not Path(meeting).parent.exists(), "nothing is left"


def test_only_the_first_ranks_output_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    assert launch(command("print('out', rank); print('err', rank, file=sys.stderr)"), 3) == 0
    assert capfd.readouterr() == ("out 0\n", "err 0\n")


@pytest.mark.parametrize("code", [1, 2, 3])
def test_the_first_failure_is_shown_and_gives_the_exit_code(capfd: pytest.CaptureFixture[str], code: int) -> None:
    assert launch(command(f"print('sorry', rank, file=sys.stderr); sys.exit({code} if rank == 1 else 0)"), 3) == code
    assert capfd.readouterr().err.splitlines() == ["sorry 0", "sorry 1"]
    assert launch(command(f"print('sorry', rank, file=sys.stderr); sys.exit({code})"), 2) == code
    assert capfd.readouterr().err == "sorry 0\n"


def test_a_bug_counts_as_the_cause_before_the_failures_that_followed() -> None:
    assert launch(command("sys.exit(3 if rank == 2 else 1)"), 3) == 3


def test_a_failure_ends_the_other_ranks(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(module, "GRACE_S", 0.2)
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN) if rank == 0 else None; "
    began = time.monotonic()
    assert launch(command(deaf + "os.kill(os.getpid(), 9) if rank == 2 else time.sleep(60)"), 3) == 128 + 9
    assert time.monotonic() - began < 30
    assert "rank 2 was killed by SIGKILL; run the same command again" in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_signals_reach_every_rank_once(tmp_path: Path, number: signal.Signals) -> None:
    code = BEGIN + (
        f"place = pathlib.Path({str(tmp_path)!r}); heard = []; "
        f"signal.signal({int(number)}, lambda n, f: heard.append(n)); (place / f'ready{{rank}}').touch(); "
        "[time.sleep(0.05) for _ in range(600) if not heard]; time.sleep(0.3); "
        "(place / f'heard{rank}').write_text(str(len(heard))); sys.exit(1)"
    )
    script = (
        "import sys; from hpcflow.compute.launcher import launch; "
        f"sys.exit(launch([sys.executable, '-c', {code!r}], 2))"
    )
    running = subprocess.Popen([sys.executable, "-c", script])
    while not all((tmp_path / f"ready{rank}").exists() for rank in range(2)):
        time.sleep(0.02)
    running.send_signal(number)
    assert running.wait(30) == 1
    assert [(tmp_path / f"heard{rank}").read_text() for rank in range(2)] == ["1", "1"]


def test_ranks_stop_when_the_launcher_is_killed(tmp_path: Path) -> None:
    code = BEGIN + (
        "from hpcflow.compute.launcher import follow_launcher; "
        f"place = pathlib.Path({str(tmp_path)!r}); heard = []; signal.signal(15, lambda n, f: heard.append(n)); "
        "follow_launcher(); (place / f'ready{rank}').touch(); "
        "[time.sleep(0.05) for _ in range(600) if not heard]; (place / f'heard{rank}').write_text(str(len(heard)))"
    )
    script = (
        f"import sys; from hpcflow.compute.launcher import launch; c = {code!r}; launch([sys.executable, '-c', c], 2)"
    )
    running = subprocess.Popen([sys.executable, "-c", script])
    while not all((tmp_path / f"ready{rank}").exists() for rank in range(2)):
        time.sleep(0.02)
    running.kill()
    running.wait()
    deadline = time.monotonic() + 20
    while not all((tmp_path / f"heard{rank}").exists() for rank in range(2)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert [(tmp_path / f"heard{rank}").read_text() for rank in range(2)] == ["1", "1"]


def test_the_launchers_own_handlers_are_restored() -> None:
    before = [signal.getsignal(number) for number in module.FORWARDED]
    assert launch(command("pass"), 1) == 0
    assert [signal.getsignal(number) for number in module.FORWARDED] == before


def test_a_launched_process_launches_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HPCFLOW_RANK", "RANK"):
        monkeypatch.delenv(name, raising=False)
    assert not launched()
    monkeypatch.setenv("RANK", "0")
    assert launched()
    assert "RANK" in os.environ
