"""The other end of `sources.elsewhere`: a program that runs where pcigale is installed and hpcflow is not.

It is started by its path, reads requests from its standard input and answers on its standard output. It needs
Python 3.10 or newer, numpy and pcigale.
"""

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main() -> None:
    """Build the simulator that the first message describes, then simulate the rows of every further one."""
    _find_hpcflow()
    from hpcflow.base.errors import InputError
    from hpcflow.sources.cluster.cigale import CigaleSimulator
    from hpcflow.sources.pipe import Pipe, serve

    # pcigale prints; what it says goes to the log, and the pipe stays ours.
    pipe = Pipe(os.dup(0), os.dup(1))
    os.dup2(2, 1)
    options, _ = pipe.receive()
    try:
        simulator = CigaleSimulator(**options)
    except InputError as e:
        pipe.send({"refused": str(e)})
        return
    serve(pipe, simulator)


def _find_hpcflow() -> None:
    """Make this checkout importable as `hpcflow`, and nothing else of the folders it lies in.

    Putting those on the path would show this environment the packages of another, or our `prior` and `tables`.
    """
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != here]
    if "hpcflow" in sys.modules:
        return
    root = here.parents[1]
    spec: Any = importlib.util.spec_from_file_location(
        "hpcflow", root / "__init__.py", submodule_search_locations=[str(root)]
    )
    package = importlib.util.module_from_spec(spec)
    sys.modules["hpcflow"] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    main()
