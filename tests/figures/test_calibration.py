from collections.abc import Callable

from matplotlib.figure import Figure

from hpcflow.figures import calibration
from hpcflow.stages.look.folder import RunFolder


def test_all_six_statistics_have_panels(run: RunFolder, labels: Callable[[Figure], list[str]]) -> None:
    for draw in (calibration.rank_histograms, calibration.ecdf_differences):
        figure = draw(run.validation)
        assert len([axis for axis in figure.axes if axis.get_visible()]) == 6
        assert any("rank" in text for text in labels(figure))


def test_products_may_be_missing(run: RunFolder) -> None:
    figure = calibration.rank_histograms(run.validation.drop_vars(["rank_product", "statistic"]))
    assert len(figure.axes) == 3


def test_coverage_has_a_line_per_parameter(run: RunFolder, labels: Callable[[Figure], list[str]]) -> None:
    figure = calibration.coverage_plot(run.validation)
    assert len(figure.axes[0].lines) == 1 + 3
    assert {"truths inside / %", "difference / %", "level of the central interval / %"} == set(labels(figure))


def test_joint_coverage_has_both_statistics_and_their_band(
    run: RunFolder, labels: Callable[[Figure], list[str]]
) -> None:
    figure = calibration.joint_coverage(run.validation)
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == [
        "regions of highest density",
        "TARP",
    ]
    assert len(figure.axes[0].collections) == 1
    assert {"truths inside $-$ level / %", "level of the region / %"} == set(labels(figure))


def test_the_pointwise_band_is_inside_the_simultaneous_one(run: RunFolder) -> None:
    whole, places = calibration.ecdf_differences(run.validation).axes[0].collections
    reach = [band.get_paths()[0].vertices[:, 1].max() for band in (whole, places)]
    assert reach[0] > reach[1] > 0
