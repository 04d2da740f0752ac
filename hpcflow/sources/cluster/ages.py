"""The spectra of a table that make up the spectrum of an age: at most two, with their weights."""

from typing import Literal

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from hpcflow.model.arrays import Array, between

__all__ = ["AgeAxis", "Ages"]

Floats = NDArray[np.floating]
Ages = Literal["continuous", "cigale"]

SUBSTEPS = 10  # CIGALE averages its SSP over tenths of a Myr


class AgeAxis:
    """The ages of a table's spectra, and how spectra of other ages follow from them.

    Spectra are linear in t between the table's ages. With "cigale", the age n Myr stands for the mean over t = n-0.9,
    n-0.8 .. n Myr, and other ages are rounded to the nearest n. If no age of the table lies inside a bin, the bin's
    mean is the spectrum at n-0.45; the few other bins get rows of their own, appended to the table's.

    >>> axis = AgeAxis(np.array([1.0, 3.0, 10.0]), "continuous")
    >>> left, share = axis.bracket(np.array([2.0, 10.0]))
    >>> left.tolist(), share.tolist()
    ([0, 1], [0.5, 1.0])

    Args:
        t_myr: ages of the table (T,), ascending.
        ages: whether an age is an instant or a bin of CIGALE's.
    """

    def __init__(self, t_myr: Floats, ages: Ages) -> None:
        self._t, self._ages = np.array(t_myr), ages
        self.first, self.last = (1.0 if ages == "cigale" else float(t_myr[0])), float(t_myr[-1])
        self._extra = np.empty((0, len(t_myr)))
        if ages == "cigale":
            self._prepare_bins()

    def extend(self, spectra: Floats) -> Floats:
        """Return the spectra (T, ...) of the table's ages, followed by those of the bins with rows of their own."""
        return np.concatenate([spectra, np.tensordot(self._extra, spectra, axes=1)])

    def holds(self, age_myr: Array) -> Array:
        """Return which ages (N,) the table has spectra for."""
        age = array_namespace(age_myr).round(age_myr) if self._ages == "cigale" else age_myr
        return (age >= self.first) & (age <= self.last)

    def bracket(self, age_myr: Array) -> tuple[Array, Array]:
        """Return left and share (N,): an age is made of (1 - share) of the spectrum `left` and share of the next one.

        Rows are those of `extend`; every age must be one that the axis `holds`.
        """
        xp = array_namespace(age_myr)
        if self._ages == "cigale":
            n = xp.astype(xp.round(age_myr), xp.int64) - 1
            return self._left[n], self._share[n]
        return between(self._t, age_myr)

    def _prepare_bins(self) -> None:
        n = np.arange(1, int(self._t[-1]) + 1, dtype=np.float64)
        # Below the table's first age CIGALE keeps the first spectrum.
        tenths = np.maximum(n[:, None] - np.arange(SUBSTEPS) / SUBSTEPS, self._t[0])
        left, share = between(self._t, tenths)
        own = np.flatnonzero((left != left[:, :1]).any(axis=1) | (tenths[:, -1] == self._t[0]))
        rows = np.zeros((len(own), len(self._t)))
        index = np.arange(len(own))[:, None]
        np.add.at(rows, (index, left[own]), (1 - share[own]) / SUBSTEPS)
        np.add.at(rows, (index, left[own] + 1), share[own] / SUBSTEPS)
        self._left, self._share = left[:, 0].copy(), share.mean(axis=1)
        self._left[own], self._share[own] = len(self._t) + np.arange(len(own)), 0.0
        self._extra = np.concatenate([rows, rows[-1:]])  # so that the last of these rows has a next one as well
