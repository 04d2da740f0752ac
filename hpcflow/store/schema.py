"""What the archive of posteriors holds: every variable with its dimensions, type, units and meaning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.prior import Parameter
from hpcflow.store.flags import Classifier, Reason, Refined, flag_attributes, value_attributes
from hpcflow.store.packing import LogPacking, SamplePacking

__all__ = ["KNOWN", "QUANTILES", "SCHEMA", "Description", "Schema"]

SCHEMA = "hpcflow-posteriors/3"
QUANTILES = (0.16, 0.5, 0.84)
EMPTY = {"str": "", "float32": np.nan, "float64": np.nan}


@dataclass(frozen=True)
class Description:
    """One variable of the archive.

    Args:
        dims: names of its axes, `cluster` first.
        dtype: of its elements as they are stored; "str" for text of any length.
        attrs: its CF attributes.
    """

    dims: tuple[str, ...]
    dtype: str
    attrs: Mapping[str, Any]

    @property
    def fill(self) -> Any:
        """What is stored where nothing was written."""
        return self.attrs.get("_FillValue", EMPTY.get(self.dtype, 0))

    def nothing(self, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return its values where nothing is known: 0 of what CF attributes give a meaning, NaN of numbers."""
        return np.zeros(shape, self.dtype) if "flag_meanings" in self.attrs else np.full(shape, np.nan)


@dataclass(frozen=True)
class Schema:
    """The variables that are written cluster by cluster, and how long their axes are.

    Args:
        parameters: with their units and bounds, in the order of theta's last axis.
        bands: their labels.
        samples, modes: kept of each cluster.
        weighted: whether samples have importance weights.
        band_sets: bands that instruments have together; one set of all bands if empty.

    >>> schema = Schema((Parameter("log_age", 6, 10, "dex(yr)"),), ("U", "V"), samples=4, modes=1)
    >>> schema.shape("predictive_quantile", clusters=7)
    (7, 2, 3)
    """

    parameters: Sequence[Parameter]
    bands: Sequence[str]
    samples: int
    modes: int
    weighted: bool = False
    band_sets: Sequence[Sequence[str]] = ()

    @property
    def packing(self) -> SamplePacking:
        """How samples are packed: over the prior's bounds."""
        return SamplePacking(*(np.array([getattr(p, side) for p in self.parameters]) for side in ("low", "high")))

    @cached_property
    def variables(self) -> dict[str, Description]:
        """Every variable by its name."""
        units = _units(self.parameters)
        known, inferred = _known(units, self.band_sets or [self.bands]), _posterior(units, self.packing)
        return known | inferred | (_weights(units) if self.weighted else {})

    def shape(self, name: str, clusters: int) -> tuple[int, ...]:
        """Return the shape of a variable of so many clusters."""
        sizes = {
            "cluster": clusters,
            "sample": self.samples,
            "mode": self.modes,
            "parameter": len(self.parameters),
            "parameter2": len(self.parameters),
            "band": len(self.bands),
            "quantile": len(QUANTILES),
        }
        return tuple(sizes[dim] for dim in self.variables[name].dims)

    def nothing(self, clusters: int) -> dict[str, NDArray[Any]]:
        """Return all that is inferred of clusters, in declared units, where nothing is."""
        return {
            name: variable.nothing(self.shape(name, clusters))
            for name, variable in self.variables.items()
            if name not in KNOWN
        }


ROW, BY_PARAMETER, BY_BAND = ("cluster",), ("cluster", "parameter"), ("cluster", "band")
BY_SAMPLE, BY_MODE, BY_QUANTILE = ("cluster", "sample"), ("cluster", "mode"), ("cluster", "quantile", "parameter")


def _number(dims: tuple[str, ...], long_name: str, unit: str = "1", dtype: str = "float32", **more: Any) -> Description:
    return Description(dims, dtype, {"long_name": long_name, "units": unit, **more})


def _other(dims: tuple[str, ...], long_name: str, dtype: str, **more: Any) -> Description:
    return Description(dims, dtype, {"long_name": long_name, **more})


def _units(parameters: Sequence[Parameter]) -> str:
    return ", ".join(f"{p.name}: {p.unit or '1'}" for p in parameters)


def _known(units: str, band_sets: Sequence[Sequence[str]]) -> dict[str, Description]:
    """Return what every archive has before any posterior is; its checksum is taken in this order."""
    sets = {
        "flag_values": list(range(len(band_sets))),
        "flag_meanings": " ".join("+".join(bands) for bands in band_sets),
    }
    spread = "standard deviation of log10 of the distance that samples are drawn for; 0 where neglected"
    own_set = "set of bands that the cluster was observed in; -1 for none of them"
    return {
        "galaxy": _other(ROW, "galaxy", "str"),
        "cluster_id": _other(ROW, "identifier within the galaxy's catalogue", "str"),
        "ra": _number(ROW, "right ascension, J2000", "degree", "float64"),
        "dec": _number(ROW, "declination, J2000", "degree", "float64"),
        "distance": _number(ROW, "distance assumed", "Mpc", "float64"),
        "distance_error": _number(ROW, spread, "dex", "float64"),
        "cluster_class": _number(ROW, "class in the catalogue; -1 where it has none", dtype="int32"),
        "classifier": _other(ROW, "who gave that class", "uint8", **value_attributes(Classifier)),
        "band_set": _other(ROW, own_set, "int8", **sets),
        "flux": _number(BY_BAND, "flux density as catalogued", "mJy", "float64"),
        "sigma": _number(BY_BAND, "its error, the systematic included", "mJy", "float64"),
        "observed": _other(BY_BAND, "whether the band was used", "bool"),
        "reason": _other(BY_BAND, "why a band was not used", "uint8", **value_attributes(Reason)),
        "published": _number(BY_PARAMETER, "the catalogue's own estimate, where it has one", units),
        "published_error": _number(BY_PARAMETER, "standard deviation of that estimate", units),
        "published_chi2": _number(ROW, "reduced chi^2 of that estimate, as published"),
    }


KNOWN = tuple(_known("", ()))  # names of what is there before any posterior is


def _posterior(units: str, packing: SamplePacking) -> dict[str, Description]:
    """Return what every archive has of posteriors."""
    order = {"comment": "in the order of log_age, which means nothing: samples are exchangeable"}
    packed, logs = packing.attributes(), LogPacking().attributes()
    density = "log of the flow's density at each sample, per declared units"
    highest = "maximum a posteriori: the highest mode, climbed on the density that the attribute `polish` names"
    p_value = "posterior predictive p-value of chi^2: share of predictions that fit worse"
    by_quantile = ("cluster", "band", "quantile")
    return {
        "theta": _number(("cluster", "sample", "parameter"), "posterior samples", units, "uint16", **order, **packed),
        "log_q": _number(BY_SAMPLE, density, "nat", "int32", **logs),
        "mode": _number(("cluster", "mode", "parameter"), "modes of the joint posterior, highest first", units),
        "mode_share": _number(BY_MODE, "share of the samples nearest to each mode"),
        "mode_log_q": _number(BY_MODE, "log of the flow's density at each mode"),
        "map": _number(BY_PARAMETER, highest, units),
        "quantile": _number(BY_QUANTILE, "quantiles of the marginal posteriors", units, levels=list(QUANTILES)),
        "mean": _number(BY_PARAMETER, "posterior mean", units),
        "std": _number(BY_PARAMETER, "posterior standard deviation", units),
        "covariance": _number(("cluster", "parameter", "parameter2"), "posterior covariance"),
        "entropy": _number(ROW, "differential entropy of the posterior, -E[log q]", "nat"),
        "predictive_mean": _number(BY_BAND, "mean flux density of the posterior predictive", "mJy"),
        "predictive_quantile": _number(
            by_quantile, "quantiles of the posterior predictive", "mJy", levels=list(QUANTILES)
        ),
        "predictive_rank": _number(BY_BAND, "share of the posterior predictive below the observed flux"),
        "predictive_p": _number(ROW, p_value),
        "map_flux": _number(BY_BAND, "noiseless flux density of the re-simulated MAP", "mJy"),
        "chi2_map": _number(ROW, "reduced chi^2 of the re-simulated MAP, over max(bands - parameters, 1)"),
        "flag": _other(ROW, "what can be said against this posterior", "int32", **flag_attributes()),
    }


def _weights(units: str) -> dict[str, Description]:
    """Return what an archive has where the likelihood is tractable."""
    logs = LogPacking().attributes()
    weight = "log of likelihood x prior / q of each sample: not normalised, the mean weight is the evidence"
    quantiles = "quantiles of the marginal posteriors, of weighted samples"
    return {
        "log_weight": _number(BY_SAMPLE, weight, "nat", "int32", **logs),
        "log_evidence": _number(ROW, "log of the evidence, log p(photometry)", "nat"),
        "efficiency": _number(ROW, "effective sample size of all samples drawn, over their number"),
        "weighted_mean": _number(BY_PARAMETER, "posterior mean, of weighted samples", units),
        "weighted_std": _number(BY_PARAMETER, "posterior standard deviation, of weighted samples", units),
        "weighted_quantile": _number(BY_QUANTILE, quantiles, units, levels=list(QUANTILES)),
        "mode_log_p": _number(BY_MODE, "log of the exact posterior density at each mode", "nat"),
        "refined": _other(ROW, "what the weighted numbers come from", "uint8", **value_attributes(Refined)),
    }
