"""The fixture that runs a command."""

import io
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout

import pytest

from hpcflow.cli.main import main


@pytest.fixture
def hpcflow(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str, str]]:
    """Give a function that runs a command as the console script does, and returns what it prints and what it says."""

    def run(*arguments: object, code: int = 0) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["hpcflow", *map(str, arguments)])
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
        assert (ended.value.code or 0) == code, err.getvalue()
        return out.getvalue(), err.getvalue()

    return run
