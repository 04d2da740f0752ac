"""Fits of the MAP to the photometry: reduced chi^2 and spectral energy distributions."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from hpcflow.figures.style import COLUMN, PALETTE, WIDE, grid, nothing, plain, styled
from hpcflow.store.flags import POOR_CHI2, Reason

__all__ = ["chi2_histogram", "spectral_energy"]

Floats = NDArray[np.floating]

RANGE = (1e-3, 1e3)


@styled
def chi2_histogram(archive: xr.Dataset) -> Figure:
    """Draw the distribution of the reduced chi^2 of the re-simulated MAP.

    Args:
        archive: dataset with chi2_map (cluster,).
    """
    values = archive["chi2_map"].values
    values = values[np.isfinite(values)]
    figure = Figure(figsize=(COLUMN * 1.25, 2.6), layout="constrained")
    axis = figure.subplots()
    if len(values):
        exponents = np.log10(np.clip(values, *RANGE))
        low, high = np.floor(exponents.min()), max(np.ceil(exponents.max()), 1.0)
        edges = 10 ** np.linspace(low, high, int(8 * (high - low)) + 1)
        counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
        axis.stairs(counts, edges, fill=True, color="#d7e6f1")
        axis.stairs(counts, edges, color=PALETTE["blue"])
        middle = float(np.median(values))
        axis.axvline(middle, color=PALETTE["vermillion"], label=f"median {middle:.2f}")
        axis.axvline(POOR_CHI2, color="0.45", lw=0.8, ls="--", label=f"poor fit above {POOR_CHI2:g}")
        axis.set_xlim(edges[0], edges[-1])
        axis.legend()
    else:
        nothing(axis, "no cluster has a re-simulated MAP")
        axis.set_xlim(*RANGE)
    axis.set_xscale("log")
    axis.set_ylim(bottom=0)
    axis.set_xlabel(r"reduced $\chi^2$ of the MAP (dimensionless)")
    axis.set_ylabel("clusters per bin")
    return figure


@styled
def spectral_energy(archive: xr.Dataset, examples: Mapping[str, int], pivot_nm: Mapping[str, float]) -> Figure:
    """Draw the photometry of example clusters with 3 sigma bars, and the fluxes of their MAPs.

    Args:
        archive: dataset with flux, sigma, map_flux [mJy], observed and reason, each (cluster, band).
        examples: rows of the archive, by the kind of cluster that each is an example of.
        pivot_nm: pivot wavelengths of the bands; unless all are known, bands are spaced equally.
    """
    figure, axes = grid(len(examples), 2, WIDE if len(examples) > 1 else 1.4 * COLUMN, 2.3)
    bands = [str(band) for band in archive["band"].values]
    known = set(bands) <= set(pivot_nm)
    x = np.array([pivot_nm[band] for band in bands]) if known else np.arange(len(bands), dtype=float)
    for axis, (name, row) in zip(axes, examples.items(), strict=True):
        one = archive.isel(cluster=row)
        _points(axis, x, one)
        chi2 = float(one["chi2_map"])
        who = f"{plain(one['galaxy'].item())}  {plain(one['cluster_id'].item())}"
        axis.set_title(rf"{who} ({name}), $\chi^2_\nu$ = {chi2:.3g}")
        if not known:
            axis.set_xticks(x, [plain(band) for band in bands], rotation=30, ha="right")
            axis.set_xlabel("band")
    if known:
        _wavelengths(axes, x)
        figure.supxlabel("pivot wavelength / nm", size="medium")
    figure.supylabel("flux density / mJy", size="medium")
    axes[0].legend(loc="best")
    return figure


def _points(axis: Axes, x: Floats, one: xr.Dataset) -> None:
    flux, sigma, model = (one[name].values for name in ("flux", "sigma", "map_flux"))
    own = np.flatnonzero(one["reason"].values != Reason.NO_BAND)  # skip the V of a camera that did not observe it
    own = own[np.argsort(x[own], kind="stable")]
    axis.plot(x[own], model[own], "-", color=PALETTE["vermillion"], lw=0.8)
    axis.plot(x[own], model[own], "s", color=PALETTE["vermillion"], ms=5, mfc="none", label="re-simulated MAP")
    used = one["observed"].values & (flux > 0)
    # A bar that reaches zero has no lower end on a logarithmic axis, so it stops at a tenth of the flux.
    below = np.minimum(3 * sigma, 0.9 * flux)[used]
    axis.errorbar(
        x[used], flux[used], (below, 3 * sigma[used]), fmt="o", color=PALETTE["blue"], ms=3.5, lw=1, capsize=2,
        label=r"observed, 3$\sigma$",
    )  # fmt: skip
    axis.set_yscale("log")


def _wavelengths(axes: list[Axes], x: Floats) -> None:
    for axis in axes:
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(FixedLocator([200, 300, 400, 500, 600, 800, 1000, 1500, 2000]))
        axis.xaxis.set_major_formatter("{x:.0f}")
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_xlim(x.min() / 1.12, x.max() * 1.12)
