from hpcflow.figures.training import training


def test_both_losses_and_the_rate_are_drawn(run, labels):
    figure = training(run.history)
    loss, rate = figure.axes
    assert len(loss.lines) == 3 and len(rate.lines) == 1
    assert {"training step (batches)", "negative log-\nlikelihood / nat"} <= set(labels(figure))


def test_a_history_without_validation_is_drawn(run):
    history = run.history.copy()
    history["validation_nll"] = history["validation_nll"] * float("nan")
    assert len(training(history.isel(step=slice(0, 1))).axes) == 2
