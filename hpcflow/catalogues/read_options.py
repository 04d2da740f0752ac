"""The options of catalogue readers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hpcflow.sources.cluster.clusters import CLUSTER
from hpcflow.sources.source import Source

__all__ = ["ReadOptions"]


@dataclass(frozen=True)
class ReadOptions:
    """How to read a catalogue; the fields are named as the keys of the config's `infer`.

    Attributes:
        source: the kind of source that is listed.
        format: "auto" or one of `read.READERS`; "legus-acs" and "legus-uvis" say which camera took B, V and I.
        galaxy: galaxy of all rows, if the file does not give it or is wrong.
        classes: cluster classes to keep; None for all.
        distances: source of the galaxies table's distances, "phangs" or "legus".
        distance_mpc: distances in Mpc by galaxy; they override the file's column, which overrides the galaxies table.
        distance_error_dex: errors of log10 of the distance by galaxy; they override the galaxies table.
        classification: which classes to use: "human", "machine", or "auto" for those the file is made for, human ones
            first.
        columns: names of a plain table's columns, see `plain.read_table`.
        unit: unit of flux columns that carry none: mJy, Jy, uJy, nJy, AB, Vega; if empty, such columns are refused.
        check_units: whether to refuse fluxes that are not star clusters' and colours that no model has.
        may_lack: whether a catalogue may lack bands, as a flow can that was trained with missing ones.
        negative: whether to use fluxes of zero and below, as the noise model `normal` can.
        model_fluxes: (M, B) fluxes of models that cover the prior, in any unit; colours are not checked without them.
    """

    source: Source = CLUSTER
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
    may_lack: bool = False
    negative: bool = False
    model_fluxes: NDArray[np.floating] | None = None
