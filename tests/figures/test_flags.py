from collections.abc import Callable

import xarray as xr
from matplotlib.figure import Figure

from hpcflow.figures.flags import flags_and_bands
from hpcflow.store.flags import MEANINGS, Flag
from hpcflow.store.summary import count_bands, count_flags


def test_flags_are_counted_with_their_meanings(archive: xr.Dataset) -> None:
    counts = {count.name: count for count in count_flags(archive)}
    assert set(counts) == {flag.name.lower() for flag in Flag}
    assert counts["too_few_bands"].clusters == counts["not_detected"].clusters == 1
    assert counts["poor_fit"].clusters == 0
    for flag in Flag:
        assert counts[flag.name.lower()].meaning == MEANINGS[flag]


def test_bands_add_up_to_all_clusters(archive: xr.Dataset) -> None:
    counts = count_bands(archive)
    assert list(counts) == ["used", "no coverage", "negative"]
    assert (sum(counts.values()) == archive.sizes["cluster"]).all()
    assert (sum(count_bands(archive.drop_vars("reason")).values()) == archive.sizes["cluster"]).all()


def test_both_panels_are_labelled(archive: xr.Dataset, labels: Callable[[Figure], list[str]]) -> None:
    figure = flags_and_bands(archive)
    assert ["clusters" in text for text in labels(figure)] == [True, True]
    assert [tick.get_text() for tick in figure.axes[1].get_yticklabels()] == ["F275W", "F438W", "F814W"]
