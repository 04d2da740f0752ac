"""The training history, with one line per validation."""

from dataclasses import dataclass, fields

__all__ = ["HISTORY", "Progress", "history_csv"]

HISTORY = "history.csv"  # in the folder of a flow


@dataclass(frozen=True)
class Progress:
    """One line of the training history; losses are mean negative log-likelihoods in nats.

    Args:
        step, examples: number of completed steps, and of examples in them.
        train_nll: mean training loss over the steps since the last line.
        validation_nll: loss of the averaged weights on the held-out examples.
        gap: mean excess of the exact log posterior density over the flow's, in nats; NaN if unknown.
        learning_rate: learning rate of the step.
        seconds, waited: time spent on training, and the part of it spent waiting for simulations, over all sessions.
        rollbacks: number of times training has gone back so far.
    """

    step: int
    examples: int
    train_nll: float
    validation_nll: float
    gap: float
    learning_rate: float
    seconds: float
    waited: float
    rollbacks: int


def history_csv(history: list[Progress]) -> str:
    """Return the history as CSV, one row per validation."""
    names = [f.name for f in fields(Progress)]
    rows = [[f"{getattr(line, name):.9g}" for name in names] for line in history]
    return "".join(",".join(row) + "\n" for row in [names, *rows])
