"""Little room: each command works, or names the limit that it met, and given again it ends with the same bytes."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hpcflow.base.paths import RunPaths

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
STAGES = ("simulate", "train", "validate", "report", "infer", "export")  # a report without posteriors is soon drawn
LIMITS = {
    "64 files": (resource.RLIMIT_NOFILE, 64),
    "32 files": (resource.RLIMIT_NOFILE, 32),
    "2 GB": (resource.RLIMIT_AS, 2 * 10**9),
    "4 GB": (resource.RLIMIT_AS, 4 * 10**9),
    "files of 1 MB": (resource.RLIMIT_FSIZE, 10**6),
}
LEFT = 50_000  # bytes on a disk that is all but full
SENTENCES = {
    "64 files": "Too many open files: `ulimit -n` allows 64 open files; raise it",
    "32 files": "Too many open files: `ulimit -n` allows 32 open files; raise it",
    "2 GB": "`ulimit -v` allows 2 GB of memory; raise it",
    "4 GB": "`ulimit -v` allows 4 GB of memory; raise it",
    "files of 1 MB": "File too large: `ulimit -f` allows 1 MB in a file; raise it",
    "full disk": "No space left on device: make room",
    "read-only folder": "check the path and the disk",
}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, write_config: Callable[..., Path]) -> Path:
    """Give a config whose library and archive have files of more than 1 MB, and its catalogue."""
    folder = tmp_path_factory.mktemp("limits")
    flow = {"family": "autoregressive", "hidden": 64, "embedding_hidden": 512, "embedding_layers": 2}
    sections = {
        "simulate": {"n": 180_000, "partition": 60_000, "seed": 3},
        "train": {"flow": flow, "batch": 64, "steps": 4, "validate_every": 2, "exact": 0},
        "infer": {"samples": 4000, "keep": 4000, "predictive": 30, "catalogues": [str(folder / "mock.fits")]},
        "validate": {"n": 60, "samples": 30, "partition": 60, "exact": 0, "require": None},
        "mock": {"n": 100, "seed": 2},
    }
    path = write_config(folder, **sections)
    done(hpcflow("mock", str(path), "--out", str(folder)))
    return path


@pytest.fixture(scope="module")
def undisturbed(config: Path) -> Path:
    run = config.parent / "undisturbed"
    for stage in STAGES:
        done(command(stage, config, run))
    return run


def hpcflow(*arguments: str, before: Callable[[], None] | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "hpcflow", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=before,
    )


def command(
    stage: str, config: Path, run: Path, before: Callable[[], None] | None = None
) -> "subprocess.CompletedProcess[str]":
    if stage == "export":
        return hpcflow("export", str(run), "--to", "fits", before=before)
    workers = [] if stage == "report" else ["--workers", "1"]
    return hpcflow(stage, str(config), "--run", str(run), *workers, before=before)


def done(ended: "subprocess.CompletedProcess[str]") -> None:
    assert ended.returncode == 0, ended.stderr


def results(stage: str, run: Path) -> list[Path]:
    """Return what a stage makes."""
    paths = RunPaths(run)
    return {
        "simulate": [paths.simulations],
        "train": [paths.flow / "weights.safetensors"],
        "infer": [paths.posteriors],
        "validate": [paths.validation],
        "report": [paths.page, paths.figures],
        "export": [run / "clusters.fits"],
    }[stage]


def contents(stage: str, run: Path) -> dict[str, bytes]:
    files = [f for path in results(stage, run) for f in ([path] if path.is_file() else path.rglob("*")) if f.is_file()]
    return {str(file.relative_to(run)): file.read_bytes() for file in files}


def before_stage(stage: str, undisturbed: Path, run: Path) -> Path:
    """Copy a run without what a stage has made, and a report's run without posteriors, as it was when it was made."""
    shutil.copytree(undisturbed, run, dirs_exist_ok=True)
    paths = RunPaths(run)
    parts = {"train": [paths.flow], "report": [*results("report", run), paths.posteriors]}
    for path in parts.get(stage, results(stage, run)):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return run


def ends_well_or_says(stage: str, fault: str, ended: "subprocess.CompletedProcess[str]") -> None:
    """Check that a command has worked, or has ended with the one sentence of its fault."""
    if ended.returncode == 0:
        return
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    (sentence,) = [line for line in ended.stderr.splitlines() if line.startswith("hpcflow: ")]
    assert ended.stderr.splitlines()[-1] == sentence
    assert SENTENCES[fault] in sentence


def ends_as_undisturbed(
    stage: str, ended: "subprocess.CompletedProcess[str]", config: Path, run: Path, undisturbed: Path
) -> None:
    """Give a command again unless it has worked, and check that the results are those of an undisturbed run."""
    if ended.returncode:
        done(command(stage, config, run))
    assert contents(stage, run) == contents(stage, undisturbed)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 64 MB; needs root, or skips."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder))
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let nobody write into a folder; root writes wherever the file system lets it, so it is mounted for that."""
    mount("--bind", str(folder), str(folder))
    try:
        mount("-o", "remount,bind,ro", str(folder))
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def mount(*arguments: str) -> None:
    try:
        subprocess.run(["mount", *arguments], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting needs root")


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("stage", STAGES)
def test_a_limit_is_named_and_loses_nothing(
    stage: str, limit: str, config: Path, undisturbed: Path, tmp_path: Path
) -> None:
    kind, most = LIMITS[limit]
    run = before_stage(stage, undisturbed, tmp_path / "run")
    ended = command(stage, config, run, lambda: resource.setrlimit(kind, (most, most)))
    ends_well_or_says(stage, limit, ended)
    assert not [path for path in run.rglob(".*") if path.suffix == ".new" or "-workers" in path.name]
    ends_as_undisturbed(stage, ended, config, run, undisturbed)


@pytest.mark.parametrize("stage", STAGES)
def test_a_full_disk_is_said_and_loses_nothing(stage: str, config: Path, undisturbed: Path, small_disk: Path) -> None:
    run = before_stage(stage, undisturbed, small_disk / "run")
    filler = small_disk / "filler"
    with filler.open("wb") as file:
        size = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        file.write(bytes(max(0, size - LEFT)))
    ended = command(stage, config, run)
    assert ended.returncode != 0
    ends_well_or_says(stage, "full disk", ended)
    filler.unlink()
    ends_as_undisturbed(stage, ended, config, run, undisturbed)


@pytest.mark.parametrize("stage", STAGES)
def test_a_folder_that_cannot_be_written_is_said_and_loses_nothing(
    stage: str, config: Path, undisturbed: Path, tmp_path: Path
) -> None:
    run = before_stage(stage, undisturbed, tmp_path / "run")
    with read_only(run):
        ended = command(stage, config, run)
    assert ended.returncode != 0
    ends_well_or_says(stage, "read-only folder", ended)
    ends_as_undisturbed(stage, ended, config, run, undisturbed)
