"""Remake the tables of a page: each stands between two marks, which name it and the command that prints it.

    python tests/benchmarks/rewrite.py docs/performance.md [NAME ...]

Without names all of them are remade. A table whose command fails stays as it is, date included.
"""

import argparse
import re
import shlex
import subprocess
import sys
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

__all__ = ["Block", "blocks", "only_table", "replaced"]

MARKS = re.compile(r"<!-- begin ([\w-]+): (.+?) -->\n(.*?)<!-- end \1 -->\n", re.DOTALL)
PROGRAMS = {
    "python": [sys.executable],
    "pytest": [sys.executable, "-m", "pytest"],
    "hpcflow": [sys.executable, "-m", "hpcflow"],
}


class Block(NamedTuple):
    """A table of a page: its name, the command that prints it, and what stands between the marks."""

    name: str
    command: str
    body: str


def blocks(page: str) -> dict[str, Block]:
    """Return the tables of a page by name."""
    return {found[0]: Block(*found) for found in MARKS.findall(page)}


def only_table(output: str) -> str:
    """Return the one table that a command printed.

    Raises:
        ValueError: if it printed none, or several.
    """
    runs = groupby(output.splitlines(), key=lambda line: line.startswith("|"))
    tables = ["\n".join(lines) for is_table, lines in runs if is_table]
    if len(tables) != 1:
        raise ValueError(f"it printed {len(tables)} tables where one was wanted")
    return tables[0]


def replaced(page: str, block: Block, table: str, measured: str) -> str:
    """Return the page with another table in a block, and above it the command and when it was run.

    Args:
        page: the whole text.
        block: of that page.
        table: in Markdown.
        measured: the day and the commit.
    """
    marks = [f"<!-- {mark} -->\n" for mark in (f"begin {block.name}: {block.command}", f"end {block.name}")]
    body = f"`{block.command}`, measured {measured}:\n\n{table}\n"
    return page.replace(block.body.join(marks), body.join(marks))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    asked = parser.parse_args()
    there = blocks(asked.page.read_text())
    if strangers := set(asked.names) - set(there):
        parser.error(f"{asked.page} has no table {', '.join(strangers)}; it has {', '.join(there)}")
    commit = subprocess.run(
        ["git", "rev-parse", "--short=7", "HEAD"], capture_output=True, text=True, check=True
    ).stdout
    failed = []
    for name in asked.names or there:
        program, *words = shlex.split(there[name].command)
        done = subprocess.run([*PROGRAMS[program], *words], stdout=subprocess.PIPE, text=True)
        try:
            done.check_returncode()
            table = only_table(done.stdout)
        except (subprocess.CalledProcessError, ValueError) as e:
            print(f"{name} stays as it is: {e}", file=sys.stderr)
            failed.append(name)
            continue
        measured = f"{date.today()} at {commit.strip()}"
        asked.page.write_text(replaced(asked.page.read_text(), there[name], table, measured))
        print(f"{name}: {measured}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
