from collections.abc import Callable

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from hpcflow.figures.weights import efficiencies


def test_efficiencies_are_counted_where_they_are_known(
    archive: xr.Dataset, labels: Callable[[Figure], list[str]]
) -> None:
    efficiency = np.linspace(0, 1, archive.sizes["cluster"])
    efficiency[:3] = np.nan
    figure = efficiencies(archive.assign(efficiency=("cluster", efficiency)))
    counts = figure.axes[0].patches[-1].get_data().values
    assert counts.sum() == archive.sizes["cluster"] - 3
    assert "median" in figure.axes[0].get_legend().get_texts()[0].get_text()
    assert any("%" in text for text in labels(figure))
