"""Training history of the flow: loss, gap and learning rate against steps."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hpcflow.figures.style import PALETTE, WIDE, padded, styled, thousands

__all__ = ["training"]


@styled
def training(history: xr.Dataset) -> Figure:
    """Draw the negative log-likelihood of training and held-out simulations, and the learning rate.

    Args:
        history: dataset with train_nll and validation_nll [nat] and learning_rate along `step`, NaN where not
            evaluated. If it has a finite gap [nat] to the exact posterior, the gap is drawn as well.
    """
    has_gap = "gap" in history and bool(np.isfinite(history["gap"]).any())
    figure = Figure(figsize=(WIDE, 4.4 if has_gap else 3.3), layout="constrained")
    loss, *between, rate = figure.subplots(
        2 + has_gap, 1, sharex=True, height_ratios=(3, 1.5, 1) if has_gap else (3, 1)
    )
    step = history["step"].values
    for name, colour, text in (
        ("train_nll", "sky", "training simulations"),
        ("validation_nll", "blue", "held-out simulations"),
    ):
        values = history[name].values
        known = np.isfinite(values)
        loss.plot(step[known], values[known], color=PALETTE[colour], label=text)
    _mark_best(loss, step, history["validation_nll"].values)
    loss.set_ylim(*_loss_limits(np.concatenate([history["train_nll"].values, history["validation_nll"].values])))
    loss.set_ylabel("negative log-\nlikelihood / nat")
    loss.legend()

    for axis in between:
        _draw_gap(axis, step, history["gap"].values)

    rate.plot(step, history["learning_rate"].values, color=PALETTE["orange"])
    rate.set_ylabel("learning rate\n(per step)")
    rate.set_ylim(bottom=0)
    rate.ticklabel_format(axis="y", style="sci", scilimits=(-2, 2), useMathText=True)
    rate.set_xlabel("training step (batches)")
    rate.set_xlim(*padded(step.astype(float), 0.01))
    figure.align_ylabels()
    return figure


def _draw_gap(axis: Axes, step: NDArray[np.integer], values: NDArray[np.floating]) -> None:
    known = np.isfinite(values)
    axis.plot(step[known], values[known], color=PALETTE["blue"])
    axis.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    axis.set_ylim(*_loss_limits(np.append(values, 0.0)))
    axis.set_ylabel("gap to the exact\nposterior / nat")


def _mark_best(axis: Axes, step: NDArray[np.integer], values: NDArray[np.floating]) -> None:
    if np.isfinite(values).any():
        best = int(np.nanargmin(values))
        text = f"lowest: {values[best]:.3f} at step {thousands(int(step[best]))}".replace("-", "\u2212")
        axis.plot(step[best], values[best], "o", color=PALETTE["vermillion"], label=text, zorder=3)


def _loss_limits(values: NDArray[np.floating]) -> tuple[float, float]:
    """Return limits that show the descent to its end and cut off the first steps far above it."""
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, [0.0, 0.95]) if finite.size else (0.0, 1.0)
    margin = 0.08 * (high - low) or 0.5
    return float(low - margin), float(high + 2 * margin)
