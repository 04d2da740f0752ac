"""Efficiencies of importance sampling: effective over drawn posterior samples."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from hpcflow.figures.style import PALETTE, WIDE, fade, styled

__all__ = ["efficiencies"]


@styled
def efficiencies(archive: xr.Dataset) -> Figure:
    """Draw the distribution of the efficiency, and the reduced chi^2 of the MAP against it.

    Args:
        archive: dataset with efficiency and chi2_map (cluster,).
    """
    known = np.isfinite(archive["efficiency"].values)
    efficiency = 100 * archive["efficiency"].values[known]
    chi2 = np.clip(archive["chi2_map"].values[known], 1e-3, 1e3)
    figure = Figure(figsize=(WIDE, 2.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True)
    counts, edges = np.histogram(efficiency, np.linspace(0, 100, 41))
    left.stairs(counts, edges, fill=True, color="#d7e6f1")
    left.stairs(counts, edges, color=PALETTE["blue"])
    middle = float(np.median(efficiency))
    left.axvline(middle, color=PALETTE["vermillion"], label=f"median {middle:.0f} %")
    left.legend(loc="upper left")
    left.set_ylim(bottom=0)
    left.set_xlim(0, 100)
    left.set_ylabel("clusters per bin")
    options = {"ms": 2.0, "mew": 0, "alpha": fade(len(chi2)), "rasterized": True}
    right.plot(efficiency, chi2, "o", color=PALETTE["blue"], **options)
    right.set_yscale("log")
    right.set_ylabel(r"reduced $\chi^2$ of the MAP (dimensionless)")
    figure.supxlabel("efficiency (effective / drawn samples) / %", size="medium")
    return figure
