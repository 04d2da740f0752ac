"""Recovery of known truths by galaxy, by band set, and with and without missing bands."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hpcflow.calibration.agreement import truth_table
from hpcflow.figures.style import PALETTE, WIDE, short_label, styled
from hpcflow.store.kind import leading

__all__ = ["recovery_by_group"]


@styled
def recovery_by_group(archive: xr.Dataset, truth: NDArray[np.floating]) -> Figure:
    """Draw, for each group of clusters, the coverage, the share of catastrophic ages, and the bias of the age.

    Args:
        archive: dataset from `summarise`.
        truth: (N, D) true parameters, NaN where unknown.
    """
    table, first = truth_table(archive, truth), leading(archive.attrs)
    shown = [name for name in archive["parameter"].values.tolist() if f"{name}_covers_68" in table.colnames]
    word = short_label(first).removeprefix("log ")
    names = _short(table["of"].tolist(), table["group"].tolist())
    place = np.arange(len(table))
    panels = (
        (
            "truths in 68 % interval",
            68.0,
            [(f"{p}_covers_68", colour, short_label(p)) for p, colour in zip(shown, ("blue", "green"), strict=False)],
        ),
        (
            f"{word}s wrong by 10\u00d7",
            None,
            [("catastrophic", "vermillion", "MAP"), ("catastrophic_best", "blue", "mode")],
        ),
    )
    figure = Figure(figsize=(WIDE, 1.2 + 0.16 * len(names)), layout="constrained")
    axes = figure.subplots(1, 3, sharey=True)
    for axis, (title, expected, columns) in zip(axes, panels, strict=False):
        if expected is not None:
            axis.axvline(expected, color="0.55", lw=0.6)
        for column, colour, text in columns:
            axis.plot(100 * np.asarray(table[column]), place, "o", color=PALETTE[colour], ms=3, label=text)
        axis.set_title(title)
        axis.set(xlabel="% of clusters", xlim=(-3, 103) if expected is not None else None)
        axis.legend()
    bias, spread = np.asarray(table[f"{first}_bias"]), np.asarray(table[f"{first}_spread"])
    axes[2].axvline(0, color="0.55", lw=0.6)
    axes[2].errorbar(bias, place, xerr=spread, fmt="o", color=PALETTE["blue"], ms=3, lw=0.8)
    axes[2].set_title(f"{word}: MAP \u2212 truth")
    axes[2].set_xlabel("dex")
    axes[0].set_yticks(place, [f"{name} ({n})" for name, n in zip(names, table["clusters"], strict=True)])
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    return figure


def _short(of: list[str], names: list[str]) -> list[str]:
    """Return the names of groups, with the bands that all band sets share left out.

    >>> _short(["all", "band set", "band set"], ["all", "U+V+I", "U+ACS_V+I"])
    ['all', 'V', 'ACS V']
    """
    sets = [name.split("+") for kind, name in zip(of, names, strict=True) if kind == "band set"]
    common = set.intersection(*map(set, sets)) if len(sets) > 1 else set()
    kept = ["+".join(band for band in name.split("+") if band not in common) for name in names]
    return [name.replace("_", " ") for name in kept]
