from hpcflow.figures import calibration


def test_all_six_statistics_have_panels(run, labels):
    for draw in (calibration.rank_histograms, calibration.ecdf_differences):
        figure = draw(run.validation)
        assert len([axis for axis in figure.axes if axis.get_visible()]) == 6
        assert any("rank" in text for text in labels(figure))


def test_products_may_be_missing(run):
    figure = calibration.rank_histograms(run.validation.drop_vars(["rank_product", "statistic"]))
    assert len(figure.axes) == 3


def test_coverage_has_a_line_per_parameter(run, labels):
    figure = calibration.coverage_plot(run.validation)
    assert len(figure.axes[0].lines) == 1 + 3
    assert {"truths inside / %", "difference / %", "level of the central interval / %"} == set(labels(figure))
