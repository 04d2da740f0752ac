"""What is noted of a training at each validation."""

from dataclasses import dataclass, fields

__all__ = ["HISTORY", "Progress", "history_csv"]

HISTORY = "history.csv"  # in a flow's folder


@dataclass(frozen=True)
class Progress:
    """One line of the training history; losses are mean negative log-likelihoods in nats.

    Args:
        step, examples: how many were done.
        train_nll: mean over the steps since the last line.
        validation_nll: of the weights that would be kept, on the held-out examples.
        gap: mean excess of the exact log posterior density over the flow's, in nats; NaN where it is not known.
        learning_rate: of the step.
        seconds, waited: spent on training, of that on waiting for simulations; all sessions together.
        rollbacks: how often training had to go back by then.
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
