from collections.abc import Callable

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from hpcflow.figures.posteriors import corner, example_clusters, outlier_clusters
from hpcflow.stages.look.folder import RunFolder
from hpcflow.store.summary import has_posterior


def test_examples_are_clean_and_of_the_ages_named(archive: xr.Dataset) -> None:
    examples = example_clusters(archive)
    assert list(examples) == ["young", "intermediate", "old", "most multimodal"]
    assert len(set(examples.values())) == 4
    assert (archive["flag"].values[list(examples.values())] == 0).all()
    ages = [float(archive["map"].sel(parameter="log_age")[examples[name]]) for name in ("young", "intermediate", "old")]
    assert ages == sorted(ages)
    assert examples["most multimodal"] == 5


def test_there_may_be_fewer_clusters_than_examples(archive: xr.Dataset) -> None:
    assert len(example_clusters(archive.isel(cluster=[0, 1]))) == 2
    empty = archive.isel(cluster=np.flatnonzero(~has_posterior(archive)))
    assert example_clusters(empty) == {}


def test_corner_marks_everything_that_is_known(
    run: RunFolder, archive: xr.Dataset, truth: np.ndarray, labels: Callable[[Figure], list[str]]
) -> None:
    cluster = run.posteriors.isel(cluster=5).load()
    figure = corner(cluster, truth[5])
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert shown == ["MAP", "other modes", "published", "truth"]
    assert any("yr" in text for text in labels(figure)) and any("mag" in text for text in labels(figure))
    assert len([axis for axis in figure.axes if axis.get_visible()]) == 6


def test_corner_without_other_estimates(run: RunFolder) -> None:
    cluster = run.posteriors.isel(cluster=0).load()
    cluster["published"] = cluster["published"] * np.nan
    texts = corner(cluster).legends[0].get_texts()
    assert [text.get_text() for text in texts] == ["MAP"]


def test_the_exact_posterior_is_drawn_dashed_beside_the_samples(run: RunFolder) -> None:
    cluster = run.posteriors.isel(cluster=0).load()
    exact = cluster["theta"].values[:20] + 5.0
    figure = corner(cluster, exact=exact)
    assert figure.legends[0].get_texts()[-1].get_text() == "exact posterior"
    assert figure.axes[0].get_xlim()[1] > exact[:, 0].max()  # the axes span both
    assert any(patch.get_linestyle() == "--" for patch in figure.axes[0].patches)


def test_outliers_are_the_worst_fit_and_the_farthest_from_published(archive: xr.Dataset) -> None:
    other = archive.copy(deep=True)
    other["chi2_map"][11] = 1e4
    other["published"][13, 0] = other["map"][13, 0] - 3
    assert outlier_clusters(other) == {"worst fit": 11, "farthest from published": 13}
    nothing = other.assign(published=other["published"] * np.nan)
    assert list(outlier_clusters(nothing)) == ["worst fit"]
    assert outlier_clusters(nothing.isel(cluster=np.flatnonzero(~has_posterior(archive)))) == {}
