"""Commands in this process, which start at once: their exit code, and what they write about an error."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest

from hpcflow.cli.main import main

__all__ = ["said", "sentences"]


def said(*arguments: str) -> tuple[int, str]:
    """Return the exit code of a command, and what it writes about an error."""
    words = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stderr(words), redirect_stdout(io.StringIO()):
        patch.setattr(sys, "argv", ["hpcflow", *arguments])
        try:
            main()
        except SystemExit as e:
            return int(e.code or 0), words.getvalue()
    return 0, words.getvalue()


def sentences(words: str) -> list[str]:
    """Return the lines in which a command says what is wrong."""
    return [line for line in words.splitlines() if line.startswith("hpcflow: ")]
