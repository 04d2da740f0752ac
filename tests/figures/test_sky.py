from collections.abc import Callable

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from hpcflow.figures.sky import flag_map, has_places


def placed(archive: xr.Dataset) -> xr.Dataset:
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(-0.02, 0.02, (2, archive.sizes["cluster"]))
    return archive.assign(ra=("cluster", ra % 360), dec=("cluster", 40 + dec))


def test_a_catalogue_without_positions_has_no_map(archive: xr.Dataset) -> None:
    assert not has_places(archive)
    assert has_places(placed(archive))
    nowhere = placed(archive)
    assert not has_places(nowhere.assign(ra=nowhere["ra"] * np.nan))


def test_flags_are_marked_where_they_are(archive: xr.Dataset, labels: Callable[[Figure], list[str]]) -> None:
    figure = flag_map(placed(archive))
    assert len(figure.axes) == 2
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names[0] == "none of these flags" and "not detected" in names
    left, right = figure.axes[0].get_xlim()
    assert left > right and left < 3  # east to the left, arcminutes, across the meridian
    assert any("arcmin" in text for text in labels(figure))
    points = [line for axis in figure.axes for line in axis.lines if line.get_marker() != "."]
    assert sum(len(line.get_xdata()) for line in points) == 3  # cluster 3 has one flag, cluster 7 two


def test_one_galaxy_fills_the_figure(archive: xr.Dataset) -> None:
    one = archive.isel(cluster=np.flatnonzero(archive["galaxy"].values == "NGC1566"))
    (axis,) = flag_map(placed(one)).axes
    assert "arcmin" in axis.get_xlabel() and "arcmin" in axis.get_ylabel()
