from collections.abc import Callable

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from hpcflow.figures.chi2 import chi2_histogram, spectral_energy
from hpcflow.stages.look.folder import RunFolder
from hpcflow.store.flags import Reason


def test_every_cluster_is_in_the_histogram(archive: xr.Dataset, labels: Callable[[Figure], list[str]]) -> None:
    figure = chi2_histogram(archive)
    assert figure.axes[0].patches[0].get_data().values.sum() == archive.sizes["cluster"] - 1
    assert any("chi" in text for text in labels(figure))


def test_without_posteriors_it_says_so(archive: xr.Dataset) -> None:
    figure = chi2_histogram(archive.assign(chi2_map=archive["chi2_map"] * np.nan))
    assert "no cluster" in figure.axes[0].texts[0].get_text()


def test_bands_are_at_their_wavelengths_if_all_are_known(
    run: RunFolder, archive: xr.Dataset, labels: Callable[[Figure], list[str]]
) -> None:
    pivots = run.pivots(["F275W", "F438W", "F814W"])
    figure = spectral_energy(archive, {"young": 0, "old": 1}, pivots)
    assert [axis.get_xscale() for axis in figure.axes] == ["log", "log"]
    assert {"pivot wavelength / nm", "flux density / mJy"} == set(labels(figure))
    del pivots["F438W"]
    figure = spectral_energy(archive, {"young": 3}, pivots)
    assert figure.axes[0].get_xlabel() == "band"


def test_bands_that_a_cluster_cannot_have_are_not_drawn(archive: xr.Dataset) -> None:
    reason = archive["reason"].copy()
    reason[0, 1], reason[0, 2] = Reason.NO_BAND, Reason.NO_COVERAGE
    line, squares, *_ = spectral_energy(archive.assign(reason=reason), {"young": 0}, {}).axes[0].lines
    expected = archive["map_flux"].values[0, [0, 2]]  # a band without coverage is drawn
    for drawn in (line, squares):
        np.testing.assert_array_equal(drawn.get_ydata(), expected)
