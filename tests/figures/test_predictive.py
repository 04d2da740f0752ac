from collections.abc import Callable

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from hpcflow.figures.predictive import predictive_ranks, predictive_scatter


def test_every_band_has_a_panel_and_units(archive: xr.Dataset, labels: Callable[[Figure], list[str]]) -> None:
    figure = predictive_scatter(archive)
    assert [axis.get_title() for axis in figure.axes] == ["F275W", "F438W", "F814W"]
    assert ["mJy" in text for text in labels(figure)] == [True, True]
    assert len(labels(predictive_ranks(archive))) == 2


def test_only_used_bands_are_drawn(archive: xr.Dataset) -> None:
    points = predictive_scatter(archive).axes[0].lines[1].get_xdata()
    assert len(points) == int(archive["observed"].values[:, 0].sum()) == archive.sizes["cluster"] - 2


def test_a_band_without_clusters_says_so(archive: xr.Dataset) -> None:
    empty = archive.assign(observed=archive["observed"] & np.array([False, True, True]))
    for draw in (predictive_scatter, predictive_ranks):
        assert draw(empty).axes[0].texts[0].get_text() == "no cluster has this band"
