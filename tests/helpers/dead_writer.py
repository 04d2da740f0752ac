"""A writer that is killed before it is done."""

import subprocess
import sys
from pathlib import Path

BEGIN = """
import os, signal, sys
from pathlib import Path
from hpcflow.base.atomic import atomic
with atomic(Path(sys.argv[1])) as growing:
    growing.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def die_while_writing(path: Path) -> Path:
    """Have another process be killed while it writes a file or folder, and return what it left."""
    before = set(path.parent.iterdir())
    assert subprocess.run([sys.executable, "-c", BEGIN, str(path)], check=False).returncode == -9
    (left,) = set(path.parent.iterdir()) - before
    return left
