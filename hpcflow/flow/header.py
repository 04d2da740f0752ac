"""The header of the state file of an unfinished training, which can be read without torch."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from hpcflow.base.errors import InputError
from hpcflow.flow.history import Progress

__all__ = ["SCHEMA", "Counters", "Header", "read_header"]

SCHEMA = "hpcflow-training/3"


@dataclass(frozen=True)
class Counters:
    """The progress of a training.

    Args:
        step: number of completed steps.
        good: step of the weights to go back to if training diverges.
        rollbacks: number of times it went back.
        since: number of validations since the loss last improved.
        best: lowest validation loss.
        seconds, waited: see `history.Progress`.
        totals: sum of the losses since the last validation, one per rank.
    """

    step: int = 0
    good: int = 0
    rollbacks: int = 0
    since: int = 0
    best: float = float("inf")
    seconds: float = 0.0
    waited: float = 0.0
    totals: tuple[float, ...] = ()


@dataclass(frozen=True)
class Header:
    """Everything in a state file except its tensors.

    Args:
        identity: what is trained and how, as plain values; see `state.identity_of`.
        counters: progress of the training.
        history: its history so far.
        digest: digest of the tensors in the file and of this header.
    """

    identity: dict[str, Any]
    counters: Counters
    history: list[Progress]
    digest: str = ""

    def metadata(self) -> dict[str, str]:
        """Return the header as text entries of the file's metadata."""
        values = {
            "identity": self.identity,
            "counters": vars(self.counters),
            "history": [vars(line) for line in self.history],
        }
        return {"schema": SCHEMA, **{name: json.dumps(value) for name, value in values.items()}}


def read_header(path: Path) -> Header:
    """Return the header of a state file.

    Raises:
        InputError: if the file is damaged or has another schema.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            said = file.metadata() or {}
    except (OSError, SafetensorError) as e:
        raise InputError(f"{path} is damaged; remove it to train from the start ({e})") from e
    if said.get("schema") != SCHEMA:
        raise InputError(
            f"{path} holds {said.get('schema')}, but this version resumes from {SCHEMA}; "
            "remove it to train from the start"
        )
    try:
        identity, counters, history = (json.loads(said[name]) for name in ("identity", "counters", "history"))
        counters = Counters(**counters | {"totals": tuple(counters["totals"])})
        return Header(identity, counters, [Progress(**line) for line in history], said["digest"])
    except (KeyError, TypeError, ValueError) as e:
        raise InputError(f"{path} is damaged; remove it to train from the start ({e})") from e
