"""The flows that travel with hpcflow: where they are, and the record of how good each is."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hpcflow.base.errors import InputError

__all__ = ["PREFIX", "RECORD", "Calibration", "calibration", "folder", "names"]

FOLDER = Path(__file__).parent.parent / "data" / "flows"  # a folder for each, as `flow.checkpoint` writes it
PREFIX = "shipped:"  # of a name where the folder of a run may be given too
RECORD = "calibration.json"  # beside the weights and the description
NUMBERS = (int, float)


@dataclass(frozen=True)
class Calibration:
    """How good a flow was found to be when it was trained, and how it was made.

    Args:
        gap: mean of log p_exact - log q in nats.
        ecdf: largest difference of the ranks' cumulative distributions from uniform.
        coverage_68, coverage_95: share of truths inside the central intervals of 68 and 95 %, over all parameters.
        pairs: number of simulations that were never seen in training and on which this was measured.
        command: the command that trained it.
        processor_hours: processor time that training took.
        date: day of training, YYYY-MM-DD.
        commit: of the code that trained it.
        more: whatever else the record says.
    """

    gap: float
    ecdf: float
    coverage_68: float
    coverage_95: float
    pairs: int
    command: str
    processor_hours: float
    date: str
    commit: str
    more: Mapping[str, Any] = field(default_factory=dict)


KINDS = {f.name: str if f.type is str else NUMBERS for f in fields(Calibration) if f.name != "more"}


def names() -> list[str]:
    """Return the names of the flows that ship."""
    return sorted(path.parent.name for path in FOLDER.glob("*/flow.json"))


def folder(name: str) -> Path:
    """Return the folder of a flow that ships.

    Raises:
        InputError: if none has this name; it names those that are spelt alike.
    """
    there = names()
    if name in there:
        return FOLDER / name
    alike = get_close_matches(name, there)
    remedy = f"did you mean {' or '.join(alike)}?" if alike else f"those that ship are {', '.join(there) or 'none'}"
    raise InputError(f"no flow {name} ships with this version; {remedy} (`hpcflow flows` lists them)")


def calibration(name: str) -> Calibration:
    """Return how good a flow that ships is.

    Raises:
        InputError: if there is no such flow, or its record is incomplete.
    """
    path = folder(name) / RECORD
    try:
        said = json.loads(path.read_text())
    except (OSError, ValueError) as e:
        raise InputError(f"{path} cannot be read; install hpcflow again ({e})") from e
    wrong = [key for key, kind in KINDS.items() if not isinstance(said.get(key), kind)]
    if wrong:
        raise InputError(f"{path} does not say {', '.join(wrong)}; install hpcflow again")
    known = {key: said[key] for key in KINDS}
    return Calibration(**known, more={key: value for key, value in said.items() if key not in known})
