from collections.abc import Callable

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from hpcflow.figures.by_galaxy import published_by_galaxy


def test_every_galaxy_has_a_panel_and_its_shares(archive: xr.Dataset, labels: Callable[[Figure], list[str]]) -> None:
    figure = published_by_galaxy(archive)
    titles = [axis.get_title() for axis in figure.axes if axis.get_visible()]
    assert sorted(titles) == ["NGC0628C", "NGC1566"]
    # the fixture's published ages are 0.1 dex off
    assert all(axis.texts[0].get_text().startswith("100") for axis in figure.axes if axis.get_visible())
    assert sum("yr" in text for text in labels(figure)) == 2


def test_galaxies_without_published_ages_have_none(archive: xr.Dataset) -> None:
    published = archive["published"].where(archive["galaxy"] == "NGC1566")
    figure = published_by_galaxy(archive.assign(published=published))
    assert [axis.get_title() for axis in figure.axes if axis.get_visible()] == ["NGC1566"]
    assert np.isfinite(figure.axes[0].get_xlim()).all()
