from collections.abc import Callable

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from hpcflow.figures.comparison import (
    against_published,
    against_truth,
    chi2_of_both,
    deviation_and_width,
    inliers,
    inliers_by_galaxy,
)


def test_two_rows_of_labelled_panels(
    archive: xr.Dataset, truth: np.ndarray, labels: Callable[[Figure], list[str]]
) -> None:
    for figure, word in ((against_published(archive), "published"), (against_truth(archive, truth), "true")):
        assert len(figure.axes) == 6
        written = labels(figure)
        assert len(written) == 12 and sum(text.startswith(word) for text in written) == 6
        assert all("/" in text for text in written)


def test_unpublished_parameters_are_left_out(archive: xr.Dataset) -> None:
    lacking = archive.copy()
    lacking["published"] = lacking["published"].where(lacking["parameter"] != "ebv")
    lacking["published_rank"] = lacking["published_rank"].where(lacking["parameter"] != "ebv")
    assert len(against_published(lacking).axes) == 4
    assert set(inliers(lacking)) == {"log_age", "log_mass"}


def test_inliers_rise_with_the_level(archive: xr.Dataset) -> None:
    for shares in inliers(archive).values():
        assert list(shares) == sorted(shares)
    middle = archive.assign(published_rank=archive["published_rank"] * 0 + 0.5)
    assert inliers(middle)["ebv"] == (1.0, 1.0, 1.0)
    assert np.isnan(archive["published_rank"].values[7]).all()


def test_inliers_of_every_galaxy(archive: xr.Dataset) -> None:
    figure = inliers_by_galaxy(archive)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["NGC0628C", "NGC1566"]
    assert len(figure.axes) == 3
    ours = figure.axes[0].lines[2].get_xdata()
    np.testing.assert_allclose(ours, 100)  # the MAP is 0.1 dex away from the published age, whose error is 0.2
    assert np.isnan(figure.axes[2].lines[2].get_xdata()).all()  # the reddening has no error
    silent = inliers_by_galaxy(archive.assign(published_error=archive["published_error"] * np.nan))
    assert [len(axis.lines) for axis in silent.axes] == [2, 2, 2]  # no errors were published
    assert "our MAP within their 1 sigma" not in [text.get_text() for text in silent.legends[0].get_texts()]


def test_uncertain_ultraviolet_is_marked(archive: xr.Dataset) -> None:
    def marked(figure: Figure) -> tuple[list[int], list[str]]:
        return [len(axis.lines[2].get_xdata()) for axis in figure.axes], [
            text.get_text() for legend in figure.legends for text in legend.get_texts()
        ]

    assert marked(deviation_and_width(archive)) == ([0, 0, 0], [])
    worse = archive.copy()
    worse["sigma"] = archive["sigma"] * 5
    points, legend = marked(deviation_and_width(worse))
    assert min(points) > 0 and legend == ["UV error above 40 %"]


def test_both_chi2_are_drawn(archive: xr.Dataset) -> None:
    figure = chi2_of_both(archive)
    x, _ = figure.axes[0].lines[1].get_data()
    assert len(x) == 39 and (x == 1.5).all()
