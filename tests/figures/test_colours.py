import numpy as np

from hpcflow.figures.colours import colour_colour, colour_pairs

BANDS = ("U", "B", "V", "I")


def test_two_colours_of_four_bands_and_of_three() -> None:
    assert colour_pairs(BANDS) == (("V", "I"), ("U", "B"))
    assert colour_pairs(("U", "V", "I")) == (("V", "I"), ("U", "V"))


def test_a_panel_for_each_set_that_clusters_have() -> None:
    flux = np.array([[1.0, 2, 3, 4], [np.nan, 2, 3, 4], [1, 1, 0, 1]])
    tracks = {"a track": np.array([[1.0, 2, 3, 4], [2, 2, 2, 2]])}
    figure = colour_colour(flux, BANDS, [BANDS, ("B", "V", "I")], tracks)
    assert [axis.get_title() for axis in figure.axes] == ["1 clusters", "2 clusters"]
    x, y = figure.axes[0].lines[0].get_data()
    np.testing.assert_allclose([x[0], y[0]], -2.5 * np.log10([3 / 4, 1 / 2]))
    low, high = figure.axes[0].get_ylim()
    assert low > high


def test_an_empty_panel_says_why() -> None:
    figure = colour_colour(np.full((2, 4), np.nan), BANDS, [BANDS], {})
    assert any("no cluster" in text.get_text() for text in figure.axes[0].texts)
