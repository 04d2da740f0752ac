"""What a catalogue's reader is told besides the file and the bands."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["ReadOptions"]


@dataclass(frozen=True)
class ReadOptions:
    """How catalogues are read; the fields are called as the keys of the config's `infer` that they come from.

    Attributes:
        format: "auto" or one of `read.READERS`.
        galaxy: galaxy of all rows, where the file does not tell or is wrong.
        classes: cluster classes to keep; all where None.
        distances: whose distances the galaxies table gives, "phangs" or "legus".
        distance_mpc: Mpc by galaxy; goes before the file's own column, and that before the galaxies table.
        distance_error_dex: error of log10 of the distance by galaxy; goes before that of the galaxies table.
        classification: whose classes count where humans and machines classified: "human", "machine", or "auto" for
            those the file is of, a human's first.
        columns: names of a plain table's columns, see `plain.read_table`.
        unit: unit of fluxes whose columns carry none: mJy, Jy, uJy, nJy, AB, Vega.
        check_units: whether fluxes that are no star clusters', and colours that no model has, are refused.
        negative: whether fluxes of zero and below are used, as the noise law `normal` can.
        model_fluxes: (M, B) fluxes of models all over the prior, in any unit; without them colours are not checked.
    """

    format: str = "auto"
    galaxy: str | None = None
    classes: Collection[int] | None = None
    distances: str = "phangs"
    distance_mpc: Mapping[str, float] = field(default_factory=dict)
    distance_error_dex: Mapping[str, float] = field(default_factory=dict)
    classification: str = "auto"
    columns: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    unit: str = "mJy"
    check_units: bool = True
    negative: bool = False
    model_fluxes: NDArray[np.floating] | None = None
