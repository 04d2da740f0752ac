"""Pages name only commands, options, config keys and scripts that exist; every figure has a command and a date."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from typer.main import get_command

from hpcflow.cli.main import app
from hpcflow.config.load import load_config
from rewrite import blocks, only_table, replaced

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PERFORMANCE = (ROOT / "docs" / "performance.md").read_text()
MEASURED = re.compile(r"measured\s+\d{4}-\d\d-\d\d\s+at\s+[0-9a-f]{7}")
CODE = re.compile(r"```\w*\n([^`]*)```|((?:^    .*\n)+)|`([^`]+)`", re.MULTILINE)
PROGRAMS = ("hpcflow", "python", "pytest", "make")


def commands(page: str) -> Iterator[list[str]]:
    """Give the words of every command in a page's code, without what is set before it and what follows it."""
    for found in CODE.findall(page):
        fenced, indented, inline = found
        lines = [inline.replace("\n", " ")] if inline else lines_of(fenced + indented)
        for line in lines:
            for part in re.split(r" && |;", line.replace("\\|", "|")):
                words = words_of(part)
                while words and re.match(r"[A-Z_]+=", words[0]):
                    words = words[1:]
                if len(words) > 1 and Path(words[0]).name in PROGRAMS:
                    yield [Path(words[0]).name, *words[1:]]


def lines_of(code: str) -> Iterator[str]:
    """Give the lines of a block of code, as a shell sees them: a backslash or an open quote goes on below."""
    whole = ""
    for line in code.replace("\\\n", " ").splitlines():
        whole = f"{whole} {line}"
        if whole.count("'") % 2 == 0:
            yield whole
            whole = ""


def words_of(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:  # not of a shell
        return []


def options(words: list[str]) -> set[str]:
    return {word.strip("[]").partition("=")[0] for word in words if word.strip("[]").startswith("--")}


def wrong(words: list[str]) -> str:
    """Say what of a command does not exist; nothing if all does."""
    program, *rest = words
    if program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return "" if rest[0] in targets else f"make has no target {rest[0]}"
    if program == "pytest":
        return wrong_pytest(rest)
    if program == "python" and not rest[0].startswith("-"):
        script = ROOT / rest[0]
        if not script.is_file():
            return "" if rest[0] == "setup.py" else f"{rest[0]} is missing"  # CIGALE's own
        given = options(rest)
        lacking = given - set(re.findall(r"--[\w-]+", help_of(script))) if given else given
        return f"{rest[0]} has no {', '.join(lacking)}" if lacking else ""
    return wrong_hpcflow(rest) if program == "hpcflow" else ""


def wrong_hpcflow(words: list[str]) -> str:
    command = get_command(app)
    while hasattr(command, "commands"):
        name = next((word for word in words if not word.startswith("-")), "")
        if not name.islower() or "|" in name:  # a placeholder, or several in one
            return ""
        if name not in command.commands:
            return f"hpcflow has no command {name}"
        command, words = command.commands[name], words[words.index(name) + 1 :]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    if lacking := options(words) - known:
        return f"hpcflow {command.name} has no {', '.join(lacking)}"
    given = [words[i + 1] for i, word in enumerate(words[:-1]) if word == "--set"]
    named = next((ROOT / "configs" / Path(word).name for word in words if word.endswith(".yaml")), None)
    config = named if named and named.is_file() else ROOT / "configs" / "demo.yaml"
    load_config(config, [one for one in given if "." in one])
    return ""


def wrong_pytest(words: list[str]) -> str:
    paths = [ROOT / word for word in words if word.startswith("tests")] or [ROOT / "tests"]
    if missing := [path for path in paths if not path.exists()]:
        return f"{missing[0]} is missing"
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*.py"))]
    text = "".join(file.read_text() for file in files)
    for option, wanted in (("-k", r"def test_\w*{}"), ("-m", r"mark\.{}\b")):
        chosen = words[words.index(option) + 1] if option in words else ""
        if chosen and not re.search(wanted.format(chosen), text):
            return f"pytest {option} {chosen} chooses nothing there"
    return ""


@cache
def help_of(script: Path) -> str:
    return subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_what_pages_name_exists(page: Path) -> None:
    found = list(commands(page.read_text()))
    assert found or page.name == "models.md"
    assert [said for said in map(wrong, found) if said] == []


@pytest.mark.parametrize(
    "command",
    [
        "hpcflow guess CONFIG",
        "hpcflow infer CONFIG --guess",
        "hpcflow site guess",
        "make guess",
        "python tests/benchmarks/guess.py",
        "python tests/benchmarks/million.py RUN OUT --guess",
        "pytest tests/guess.py",
        "pytest tests/benchmarks/test_archive.py -k guess",
        "pytest -m guess tests/model",
    ],
)
def test_what_does_not_exist_is_seen(command: str) -> None:
    (words,) = commands(f"Run `{command}`.")
    assert "guess" in wrong(words)


def test_keys_that_are_gone_are_seen() -> None:
    (words,) = commands("    hpcflow run configs/phangs.yaml --set train.guess=1\n")
    with pytest.raises(Exception, match="guess"):
        wrong(words)


def sections() -> dict[str, str]:
    """Return the text below each heading of the page of figures, by the heading."""
    _, *parts = re.split(r"^##+ (.+)\n", PERFORMANCE, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize("name", sections())
def test_every_section_of_figures_says_what_was_run_and_when(name: str) -> None:
    text = sections()[name]
    assert list(commands(text))
    assert MEASURED.search(text)


def test_a_table_that_is_remade_says_its_command_and_date() -> None:
    there = blocks(PERFORMANCE)
    assert len(there) == PERFORMANCE.count("<!-- begin ") == PERFORMANCE.count("<!-- end ")
    for block in there.values():
        assert block.body.startswith(f"`{block.command}`, measured ")
        assert only_table(block.body).count("\n") > 1


def test_a_table_is_replaced_in_its_place_alone() -> None:
    page = "A\n<!-- begin x: python a.py -->\nold\n<!-- end x -->\nB\n<!-- begin y: python b.py -->\n<!-- end y -->\n"
    once = replaced(page, blocks(page)["x"], "| new |", "2026-01-01 at 0123abc")
    assert once == page.replace("old\n", "`python a.py`, measured 2026-01-01 at 0123abc:\n\n| new |\n")
    assert replaced(once, blocks(once)["x"], "| new |", "2026-01-01 at 0123abc") == once


def test_a_command_prints_one_table() -> None:
    assert only_table("dots\n| a |\n|---|\nmore\n") == "| a |\n|---|"
    for output in ("nothing", "| a |\n\n| b |"):
        with pytest.raises(ValueError, match="tables where one was wanted"):
            only_table(output)
