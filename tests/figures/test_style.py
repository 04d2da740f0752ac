from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from hpcflow.figures import style


def test_styled_leaves_no_trace() -> None:
    before = dict(mpl.rcParams)
    seen = style.styled(lambda: mpl.rcParams["mathtext.fontset"])()
    assert seen == "stix"
    assert dict(mpl.rcParams) == before


def test_labels_have_units() -> None:
    assert "yr" in style.label("log_age") and "M" in style.label("log_mass") and "mag" in style.label("ebv")
    assert style.label("dust_mass", "M_sun") == "dust mass / M_sun"
    assert style.short_label("log_age*ebv") == r"log age $\times$ $E(B-V)$"


@pytest.mark.parametrize("values", [[np.nan], [2.0, 2.0], [1.0, 3.0]])
def test_padded_limits_have_a_width(values: object) -> None:
    low, high = style.padded(np.array(values))
    assert low < high


def test_grid_hides_unused_places() -> None:
    figure, axes = style.grid(4, 3, 5.0, 1.0)
    assert len(axes) == 4
    assert sum(axis.get_visible() for axis in figure.axes) == 4


def test_files_are_the_same_every_time(tmp_path: Path) -> None:
    def draw() -> Figure:
        figure = Figure(figsize=(1, 1))
        figure.subplots().plot([0, 1])
        return figure

    assert style.to_png(draw()) == style.to_png(draw())
    for name in "ab":
        style.save_pdf(draw(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
