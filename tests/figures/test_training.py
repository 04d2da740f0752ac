from collections.abc import Callable

from matplotlib.figure import Figure

from hpcflow.figures.training import training
from hpcflow.stages.look.folder import RunFolder


def test_both_losses_and_the_rate_are_drawn(run: RunFolder, labels: Callable[[Figure], list[str]]) -> None:
    figure = training(run.history)
    loss, rate = figure.axes
    assert len(loss.lines) == 3 and len(rate.lines) == 1
    assert {"training step (batches)", "negative log-\nlikelihood / nat"} <= set(labels(figure))


def test_a_history_without_validation_is_drawn(run: RunFolder) -> None:
    history = run.history.copy()
    history["validation_nll"] = history["validation_nll"] * float("nan")
    assert len(training(history.isel(step=slice(0, 1))).axes) == 2


def test_a_known_gap_is_drawn_and_an_unknown_one_is_not(run: RunFolder, labels: Callable[[Figure], list[str]]) -> None:
    history = run.history.copy()
    history["gap"] = history["validation_nll"] * float("nan")
    assert len(training(history).axes) == 2
    history["gap"][1:] = 1 / history["step"][1:]
    figure = training(history)
    _, gap, _ = figure.axes
    assert gap.get_ylabel() == "gap to the exact\nposterior / nat"
    assert len(gap.lines[0].get_xdata()) == history.sizes["step"] - 1
    assert gap.get_ylim()[0] < 0 < float(history["gap"][1:].min()) < gap.get_ylim()[1]
