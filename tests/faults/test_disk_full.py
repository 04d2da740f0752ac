"""A disk that is full: one sentence, nothing finished is lost, and with more room the same bytes as ever."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 1 MB; needs root, or skips."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def simulate(config: Path, folder: Path) -> "subprocess.CompletedProcess[str]":
    return hpcflow("simulate", str(config), "--run", str(folder), "--workers", "2")


def hpcflow(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command, environment = [sys.executable, "-m", "hpcflow", *arguments], os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def contents(folder: Path) -> dict[str, bytes]:
    store = folder / "simulations.zarr"
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_full_disk_is_said_and_loses_nothing(small_disk: Path, tmp_path: Path, tiny: Callable[..., Path]) -> None:
    config = tiny(simulate={"n": 100_000, "partition": 2000, "seed": 3})
    full = simulate(config, small_disk / "run")
    assert full.returncode == 2
    assert "No space left on device: make room, then run the same command again; finished work is kept" in full.stderr
    assert "Traceback" not in full.stderr
    finished = set((small_disk / "run" / "simulations.zarr" / "status" / "c").glob("*"))
    assert 0 < len(finished) < 50
    subprocess.run(["mount", "-o", "remount,size=32m", small_disk], check=True)
    assert hpcflow("verify", str(small_disk / "run")).returncode == 0
    times = {mark: mark.stat().st_mtime_ns for mark in finished}
    assert simulate(config, small_disk / "run").returncode == 0
    assert {mark: mark.stat().st_mtime_ns for mark in finished} == times
    assert simulate(config, tmp_path / "roomy").returncode == 0
    assert contents(small_disk / "run") == contents(tmp_path / "roomy")
