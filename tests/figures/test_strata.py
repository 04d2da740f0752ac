from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from hpcflow.figures.strata import distance_histograms, strata_plot
from hpcflow.stages.look.folder import RunFolder


def test_strata_have_a_row_each(run: RunFolder, labels: Callable[[Figure], list[str]]) -> None:
    figure = strata_plot(run.validation.load())
    rows = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert rows == ["all (60)", "log_age < 7 (60)", "0.3 <= E(B-V) < 0.7 (60)"]  # the other strata have too few
    assert len(figure.axes) == 4
    assert {"ranks", "TARP", "by chance", "log mass"} <= {t.get_text() for t in figure.legends[0].get_texts()}
    assert any("nat" in text for text in labels(figure))


def test_strata_without_an_exact_posterior_have_two_panels(run: RunFolder) -> None:
    checked = run.validation.load()
    alone = checked.assign({name: checked[name] * np.nan for name in ("log_p", "gap", "kl", "wasserstein", "c2st")})
    assert len(strata_plot(alone).axes) == 2


def test_distances_are_those_of_the_clusters_compared(run: RunFolder, labels: Callable[[Figure], list[str]]) -> None:
    checked = run.validation.load()
    figure = distance_histograms(checked)
    compared = int(np.isfinite(checked["kl"]).sum())
    assert sum(patch.get_height() for patch in figure.axes[0].patches) == compared
    assert len(figure.axes[1].get_legend().get_texts()) == 4
    assert any("nat" in text for text in labels(figure))
