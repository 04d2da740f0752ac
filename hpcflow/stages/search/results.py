"""The trials of a search, as a table for the terminal and as CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

__all__ = ["Trial", "best_table", "best_trials", "trials_csv"]


@dataclass(frozen=True)
class Trial:
    """One attempt of a search.

    Args:
        number: its place in the order in which trials began.
        slot: its place among the trials asked for, shared by attempts that replace each other; None before it has one.
        state: complete, pruned (stopped early, or diverged), failed (killed, or an error) or running.
        value: lowest validation NLL in nats if complete, the last one if pruned; None before the first.
        steps: number of training steps up to its last validation.
        seconds: how long it took; None while it runs.
        values: values of the searched keys.
    """

    number: int
    slot: int | None
    state: str
    value: float | None
    steps: int
    seconds: float | None
    values: dict[str, Any]

    @property
    def finished(self) -> bool:
        """Whether its slot needs no other attempt."""
        return self.state in ("complete", "pruned")


def best_trials(trials: Sequence[Trial], count: int = 5) -> list[Trial]:
    """Return the complete trials with the lowest losses, best first.

    >>> best_trials([Trial(0, 0, "complete", 2.0, 9, 1.0, {}), Trial(1, 1, "pruned", 1.0, 3, 1.0, {})])[0].number
    0
    """
    complete = [(trial.value, trial.number, trial) for trial in trials if trial.state == "complete"]
    return [trial for *_, trial in sorted(complete, key=lambda entry: entry[:2])[:count]]


def best_table(trials: Sequence[Trial]) -> Table:
    """Return a table of the best five trials for the terminal."""
    best = best_trials(trials)
    table = Table("trial", "validation NLL", "steps", "seconds", "values", title="best trials")
    for t in best:
        values = "\n".join(f"{key} = {_text(value)}" for key, value in t.values.items())
        table.add_row(str(t.number), _text(t.value), f"{t.steps:,}", _text(t.seconds), values)
    return table


def trials_csv(trials: Sequence[Trial], keys: Sequence[str]) -> str:
    """Return all trials as CSV: number, state, value, steps, seconds, and a column per searched key."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["number", "state", "value", "steps", "seconds", *keys])
    for t in trials:
        rows.writerow([t.number, t.state, t.value, t.steps, t.seconds, *(t.values.get(key) for key in keys)])
    return text.getvalue()


def _text(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
