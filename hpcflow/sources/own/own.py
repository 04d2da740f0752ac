"""A kind of source that a config describes: parameters, what is given, and the scale of a simulator of one's own."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hpcflow
from hpcflow.model.scale import Scale
from hpcflow.model.simulator import Simulator
from hpcflow.sources.elsewhere import Manners, SimulatorElsewhere
from hpcflow.sources.source import Engine, Source

__all__ = ["OWN", "build_own", "own_source"]

OWN = "own"
BLOCK = 1000  # rows per message
# The child imports this hpcflow, wherever the driver has it from.
BEGIN = "import sys; sys.path.insert(0, {!r}); from hpcflow.sources.own.own_worker import main; main()"
PROGRAM = ("-c", BEGIN.format(str(Path(hpcflow.__file__).parents[1])))


def build_own(
    *,
    simulator: str,
    bands: Mapping[str, str],
    parameters: tuple[str, ...],
    timeout_s: float = 600.0,
    deaths: int = 50,
    **_: Any,
) -> Simulator:
    """Return the user's own simulator, which lives in a process of its own.

    Args:
        simulator: `FILE.py:CLASS` or `package.module:CLASS`.
        bands: the bands; their curves do not matter.
        parameters: names of theta's columns.
        timeout_s: how long to wait for a block of rows.
        deaths: number of ends of that process in one call that are put down to single rows.

    Raises:
        InputError: if there is no such class, or it has other parameters or bands.
    """
    options = {"target": simulator, "parameters": list(parameters), "bands": list(bands)}
    remedy = f"correct {simulator}"
    return SimulatorElsewhere(sys.executable, options, Manners(PROGRAM, BLOCK, timeout_s, deaths, remedy))


def own_source(simulator: str, parameters: tuple[str, ...], scale: Scale) -> Source:
    """Return the kind of source that a config describes.

    Args:
        simulator: where the simulator is, see `build_own`.
        parameters: names of those that are inferred; the first that does not scale leads.
        scale: what is given, and how fluxes scale.
    """
    leading = next((name for name in parameters if name != scale.parameter), scale.parameter)
    return Source(OWN, "objects", (), scale, leading, {simulator: Engine(build_own)})
