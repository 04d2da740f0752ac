"""Files and folders that are there whole or not at all."""

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dead_writer import die_while_writing
from hpcflow.base.atomic import atomic, atomic_folder, write_whole

# Writes its own letter again and again.
WRITE = """
import sys
from pathlib import Path
from hpcflow.base.atomic import {imported}
path, letter = Path(sys.argv[1]), sys.argv[2]
for _ in range(100):
{body}
"""
FILE = WRITE.format(imported="write_whole", body="    write_whole(path, letter * 100_000)")
FOLDER = WRITE.format(
    imported="atomic_folder",
    body="    with atomic_folder(path) as growing:\n"
    "        for name in 'abcd':\n"
    "            (growing / name).write_text(letter)",
)


def fill(path: Path, text: str) -> None:
    with atomic_folder(path) as growing:
        (growing / "a").write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def together(code: str, path: Path) -> "list[subprocess.Popen[bytes]]":
    return [subprocess.Popen([sys.executable, "-c", code, str(path), letter]) for letter in "xyz"]


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 64 KiB; needs root, or skips."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_file_is_there_when_it_is_whole_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with atomic(path) as growing:
        growing.write_text("new")
        assert growing.suffix == ".txt"
        assert not path.exists()
    assert path.read_text() == "new"
    with atomic(path, durable=True) as growing:
        growing.write_text("newer")
        assert path.read_text() == "new"
    assert path.read_text() == "newer"
    assert names(tmp_path) == ["a.txt"]


def test_what_is_growing_is_hidden_and_on_the_same_disk(tmp_path: Path) -> None:
    with atomic(tmp_path / "a") as growing:
        assert all(name.startswith(".") for name in names(tmp_path))
        assert growing.parent.parent == tmp_path
        growing.touch()


def test_a_folder_replaces_all_of_the_older_one(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with atomic_folder(path) as growing:
        (growing / "one").touch()
        assert not path.exists()
    with atomic_folder(path) as growing:
        (growing / "two").touch()
        assert names(path) == ["one"]
    assert names(path) == ["two"]
    assert names(tmp_path) == ["a"]


def test_a_folder_that_should_be_new_replaces_none(tmp_path: Path) -> None:
    path = tmp_path / "a"
    fill(path, "old")
    with pytest.raises(FileExistsError, match="/a'"), atomic_folder(path, new=True) as growing:
        (growing / "b").touch()
    assert (path / "a").read_text() == "old"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("write", [write_whole, fill])
def test_rights_are_those_of_the_users_other_files(tmp_path: Path, write: Callable[[Path, str], None]) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "a", "text")
    finally:
        os.umask(before)
    path = tmp_path / "a"
    assert stat.S_IMODE(path.stat().st_mode) == (0o750 if path.is_dir() else 0o640)


def test_text_is_utf_8_wherever_it_is_written(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", "Ångström\n")
    assert (tmp_path / "a").read_bytes() == b"\xc3\x85ngstr\xc3\xb6m\n"


@pytest.mark.parametrize("there", [False, True])
def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path: Path, there: bool) -> None:
    if there:
        write_whole(tmp_path / "file", "old")
        fill(tmp_path / "folder", "old")
    before = names(tmp_path)
    with pytest.raises(KeyboardInterrupt), atomic(tmp_path / "file") as growing:
        growing.write_text("half")
        raise KeyboardInterrupt
    with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "folder") as growing:
        (growing / "a").write_text("half")
        raise ZeroDivisionError
    assert names(tmp_path) == before
    if there:
        assert (tmp_path / "file").read_text() == (tmp_path / "folder" / "a").read_text() == "old"


def test_a_writer_that_writes_nothing_leaves_the_old_file(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", "old")
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "a"):
        pass
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("write", [write_whole, fill])
def test_what_a_dead_writer_left_is_removed(tmp_path: Path, write: Callable[[Path, str], None]) -> None:
    path = tmp_path / "a[1]*.txt"
    left, others = die_while_writing(path), die_while_writing(tmp_path / "b")
    assert not path.exists()
    write(path, "whole")
    assert not left.exists()
    assert others.exists(), "it is another file's"
    assert sorted(tmp_path.iterdir()) == sorted([path, others])


def test_what_a_living_writer_has_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with atomic(path) as slow:
        slow.write_text("slow")
        write_whole(path, "quick")
        assert path.read_text() == "quick"
    assert path.read_text() == "slow", "the last one wins"
    with atomic_folder(tmp_path / "b") as growing:
        fill(tmp_path / "b", "quick")
        (growing / "a").write_text("slow")
    assert (tmp_path / "b" / "a").read_text() == "slow"
    assert names(tmp_path) == ["a", "b"]


def test_writers_at_once_do_not_tear_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_whole(path, "x" * 100_000)
    writers = together(FILE, path)
    while any(writer.poll() is None for writer in writers):
        text = path.read_text()
        assert len(text) == 100_000 and len(set(text)) == 1
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert names(tmp_path) == ["a"]


def test_writers_at_once_do_not_mix_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert [writer.wait() for writer in together(FOLDER, path)] == [0, 0, 0]
    assert names(path) == list("abcd")
    assert len({(path / name).read_text() for name in "abcd"}) == 1
    assert names(tmp_path) == ["a"]


def test_a_full_disk_leaves_the_old_file(full_disk: Path) -> None:
    write_whole(full_disk / "a", "old")
    fill(full_disk / "b", "old")
    for write, name in ((write_whole, "a"), (fill, "b")):
        with pytest.raises(OSError) as error:
            write(full_disk / name, "new" * 100_000)
        assert error.value.errno == errno.ENOSPC
    assert (full_disk / "a").read_text() == (full_disk / "b" / "a").read_text() == "old"
    assert names(full_disk) == ["a", "b"]
