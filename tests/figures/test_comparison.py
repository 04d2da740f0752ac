import numpy as np

from hpcflow.figures.comparison import against_published, against_truth, inliers


def test_two_rows_of_labelled_panels(archive, truth, labels):
    for figure, word in ((against_published(archive), "published"), (against_truth(archive, truth), "true")):
        assert len(figure.axes) == 6
        written = labels(figure)
        assert len(written) == 12 and sum(text.startswith(word) for text in written) == 6
        assert all("/" in text for text in written)


def test_parameters_that_nobody_published_are_left_out(archive):
    lacking = archive.copy()
    lacking["published"] = lacking["published"].where(lacking["parameter"] != "ebv")
    lacking["published_rank"] = lacking["published_rank"].where(lacking["parameter"] != "ebv")
    assert len(against_published(lacking).axes) == 4
    assert set(inliers(lacking)) == {"log_age", "log_mass"}


def test_inliers_rise_with_the_level(archive):
    for shares in inliers(archive).values():
        assert list(shares) == sorted(shares)
    middle = archive.assign(published_rank=archive["published_rank"] * 0 + 0.5)
    assert inliers(middle)["ebv"] == (1.0, 1.0, 1.0)
    assert np.isnan(archive["published_rank"].values[7]).all()
