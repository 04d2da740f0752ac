"""The style of all figures: legible at the column width of A&A, safe for the colour-blind, with units on every axis."""

import functools
import math
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hpcflow.sources import SOURCES

__all__ = [
    "COLUMN", "DENSITY", "PALETTE", "WIDE", "fade", "grid", "label", "nothing", "padded", "plain", "save_pdf",
    "short_label", "signed", "styled", "thousands", "to_png",
]  # fmt: skip

P = ParamSpec("P")
R = TypeVar("R")

COLUMN, WIDE = 3.46, 7.09  # inches: 88 and 180 mm
PDF_DPI, PDF_PIXELS = 300, 2e8  # resolution of crowded layers; pixels (4 bytes each) of all those of a figure
PNG_DPI = 200

# Okabe & Ito 2008, "Color Universal Design", without their yellow, which is too pale for lines on white.
PALETTE = {
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "black": "#000000",
}
INK = "#333333"
DENSITY = LinearSegmentedColormap.from_list("hpcflow", ["#ffffff", "#d7e6f1", "#8dbcdb", "#2f7fb5", "#06385c"])

RC: Any = {
    "font.family": "STIXGeneral",  # ships with Matplotlib, so figures look the same everywhere
    "mathtext.fontset": "stix",
    "font.size": 9.5,
    "axes.labelsize": 9.5,
    "axes.titlesize": 9.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "xtick.minor.size": 1.6,
    "ytick.minor.size": 1.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "figure.facecolor": "white",
    "savefig.dpi": PNG_DPI,
    "pdf.fonttype": 42,
}

DECLARED = {parameter.name: parameter for source in SOURCES.values() for parameter in source.parameters}


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function to run in this style, and leave Matplotlib's settings as they were."""

    @functools.wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context(RC):
            return draw(*args, **kwargs)

    return inside


def label(parameter: str, unit: str = "") -> str:
    r"""Return a parameter's axis label with its unit.

    >>> label("ebv"), label("depth", "mag")
    ('$E(B-V)$ / mag', 'depth / mag')
    """
    if parameter in DECLARED and DECLARED[parameter].label:
        return DECLARED[parameter].label
    return plain(parameter.replace("_", " ") + (f" / {unit}" if unit else ""))


def short_label(parameter: str) -> str:
    """Return a parameter's name without its unit, for titles and for products such as log_age*log_mass."""
    return r" $\times$ ".join(_short(name) for name in parameter.split("*"))


def _short(parameter: str) -> str:
    known = DECLARED.get(parameter)
    return known.short if known and known.short else plain(parameter.replace("_", " "))


def plain(text: object) -> str:
    r"""Escape the dollars in text from a catalogue or config, so that none starts a formula.

    >>> plain("a$b")
    'a\\$b'
    """
    return str(text).replace("$", r"\$")


def signed(value: float, digits: int) -> str:
    """Format a number with its sign and a true minus, or without a sign if it rounds to zero.

    >>> signed(0.123, 2), signed(-0.001, 2)
    ('+0.12', '0.00')
    """
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "\u2212")


def thousands(number: int) -> str:
    """Format an integer with thin spaces between the thousands."""
    return f"{number:,}".replace(",", "\u2009")


def grid(panels: int, columns: int, width: float, height: float, **options: Any) -> tuple[Figure, list[Axes]]:
    """Return a figure of panels in rows; unused places in the last row stay empty.

    Args:
        panels: number of panels.
        columns: maximum number of panels in a row.
        width: width of the figure in inches.
        height: height of one row in inches.
        options: arguments of `Figure.subplots`, such as sharex.
    """
    columns = min(columns, panels)
    rows = -(-panels // columns)
    figure = Figure(figsize=(width, height * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False, **options).flat)
    for axis in axes[panels:]:
        axis.set_visible(False)
    if options.get("sharex"):  # the panel above an empty place is the lowest of its column
        for axis in axes[max(panels - columns, 0) : panels]:
            axis.tick_params(labelbottom=True)
    return figure, axes[:panels]


def fade(points: int) -> float:
    """Return the opacity at which a cloud of so many points stays readable."""
    return float(np.clip(30 / np.sqrt(max(points, 1)), 0.12, 0.9))


def nothing(axis: Axes, text: str) -> None:
    """Write in an empty panel why it is empty."""
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", color="0.45")


def padded(values: NDArray[np.floating], share: float = 0.04) -> tuple[float, float]:
    """Return axis limits with a margin around the finite values; their width is never zero."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    margin = share * (high - low) or 0.5
    return low - margin, high + margin


@styled
def to_png(figure: Figure) -> bytes:
    """Return a figure as a PNG; the same figure gives the same bytes."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=PNG_DPI, metadata={"Software": None})
    figure.set_layout_engine("none")  # the layout takes half of the time, and a PDF of the figure reuses it
    return buffer.getvalue()


@styled
def save_pdf(figure: Figure, path: Path) -> None:
    """Write a figure as a PDF without a date; crowded layers are rasterized, everything else is vector graphics.

    Matplotlib keeps a canvas of the whole figure for each such layer, so more layers mean a lower resolution.
    """
    layers = len(figure.findobj(lambda artist: bool(artist.get_rasterized())))
    width, height = figure.get_size_inches()
    dpi = min(PDF_DPI, math.sqrt(PDF_PIXELS / (width * height * max(layers, 1))))
    figure.savefig(path, format="pdf", dpi=dpi, metadata={"CreationDate": None})
