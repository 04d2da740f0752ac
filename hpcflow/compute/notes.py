"""Sentences about a stage's workers, in the log and in a file that `hpcflow status` shows."""

import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path

from hpcflow.base.atomic import write_whole

__all__ = ["Notes", "read_notes"]

log = logging.getLogger("hpcflow")


class Notes:
    """What is wrong at present, one sentence for each subject; a new one is logged as a warning.

    Args:
        stage: name of the stage.
        path: the file; it exists while there is something to say.
    """

    def __init__(self, stage: str, path: Path) -> None:
        self._stage, self._path = stage, path
        self._said: dict[str, str] = {}
        self._write()

    def say(self, subject: str, sentence: str) -> None:
        """Say a sentence unless it is the last that was said of this subject."""
        if self._said.get(subject) != sentence:
            log.warning("%s: %s", self._stage, sentence)
            self._said[subject] = sentence
            self._write()

    def drop(self, subject: str) -> None:
        """Forget what was said of a subject, as it is no longer so."""
        if self._said.pop(subject, None):
            self._write()

    def clear(self) -> None:
        """Forget all that was said."""
        self._said.clear()
        self._write()

    def _write(self) -> None:
        if self._said:
            write_whole(self._path, json.dumps([time.strftime("%H:%M"), list(self._said.values())]))
        else:
            self._path.unlink(missing_ok=True)


def read_notes(path: Path) -> Sequence[str]:
    """Return the sentences in a file, each with the time at which the file was written; none if it is damaged."""
    try:
        at, said = json.loads(path.read_text())
        return [f"{sentence} (at {at})" for sentence in said]
    except (OSError, ValueError, TypeError, RecursionError):
        return []
