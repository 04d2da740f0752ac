from collections.abc import Callable

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from hpcflow.figures.noise import relative_errors


def test_catalogue_and_training_are_drawn_in_every_band(
    archive: xr.Dataset, labels: Callable[[Figure], list[str]]
) -> None:
    figure = relative_errors(archive, np.random.default_rng(1).uniform(0.05, 0.5, 500))
    assert [axis.get_title() for axis in figure.axes] == [str(band) for band in archive["band"].values]
    assert any("dimensionless" in text for text in labels(figure))
    # the fixture's errors are 10 % and the systematic of 5 %: one bin holds all of them
    heights = [patch.get_data().values for patch in figure.axes[1].patches]
    assert max(values.max() for values in heights) == 1
    assert all(abs(values.sum() - 1) < 1e-9 for values in heights)


def test_a_band_that_no_cluster_has_says_so(archive: xr.Dataset) -> None:
    none = archive.assign(observed=archive["observed"] & (archive["band"] != "F814W"))
    figure = relative_errors(none, np.array([0.1, 0.2, 5.0]))
    assert any("no cluster" in text.get_text() for text in figure.axes[2].texts)
