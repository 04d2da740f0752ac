from collections.abc import Callable

import xarray as xr
from matplotlib.figure import Figure

from hpcflow.figures.populations import population, population_by_galaxy, richest


def test_density_and_maps_of_all_clusters(archive: xr.Dataset, labels: Callable[[Figure], list[str]]) -> None:
    figure = population(archive, "log_age", "log_mass")
    assert len(figure.axes[0].lines[0].get_xdata()) == archive.sizes["cluster"] - 1
    assert any("yr" in text for text in labels(figure)) and any("odot" in text for text in labels(figure))
    assert figure.axes[0].get_xlim() == (6.0, 10.1383)


def test_a_panel_per_galaxy(archive: xr.Dataset, labels: Callable[[Figure], list[str]]) -> None:
    figure = population_by_galaxy(archive, "log_age", "ebv")
    assert [axis.get_title() for axis in figure.axes] == ["NGC1566 (20)", "NGC0628C (20)"]
    assert len(labels(figure)) == 2
    assert len(population_by_galaxy(archive, "log_age", "ebv", most=1).axes) == 1


def test_the_richest_comes_first(archive: xr.Dataset) -> None:
    assert richest(archive, 5) == ["NGC1566", "NGC0628C"]  # one of the latter has no posterior
