"""The schema of the archive of posteriors: every variable with its dimensions, type, units and meaning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.prior import Parameter
from hpcflow.model.scale import Given
from hpcflow.model.simulator import Quantity
from hpcflow.store.flags import Classifier, Reason, Refined, flag_attributes, value_attributes
from hpcflow.store.packing import LogPacking, SamplePacking

__all__ = ["EARLIER", "QUANTILES", "SCHEMA", "Description", "Schema", "known_names"]

SCHEMA = "hpcflow-posteriors/4"
EARLIER = "hpcflow-posteriors/3"  # can still be read, see `store.reading`
QUANTILES = (0.16, 0.5, 0.84)
EDGES = {"flag_values": [-1, 0, 1], "flag_meanings": "lower none upper"}
EMPTY = {"str": "", "float32": np.nan, "float64": np.nan}


@dataclass(frozen=True)
class Description:
    """One variable of the archive.

    Args:
        dims: names of the axes, `cluster` first.
        dtype: type of the elements as stored; "str" for text of any length.
        attrs: CF attributes.
    """

    dims: tuple[str, ...]
    dtype: str
    attrs: Mapping[str, Any]

    @property
    def fill(self) -> Any:
        """The value stored where nothing has been written."""
        return self.attrs.get("_FillValue", EMPTY.get(self.dtype, 0))

    def nothing(self, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return an array of absent values: 0 for flags and coded values, NaN for numbers."""
        return np.zeros(shape, self.dtype) if "flag_meanings" in self.attrs else np.full(shape, np.nan)


@dataclass(frozen=True)
class Schema:
    """The variables with one row per cluster, and the lengths of their axes.

    Args:
        parameters: parameters with units and bounds, in the order of theta's last axis.
        bands: labels of the bands.
        samples, modes: number kept per cluster.
        weighted: whether the likelihood is tractable, so that values follow from weighted samples of a flow.
        band_sets: bands of each instrument set; one set of all bands if empty.
        derived: quantities that follow from the parameters.
        given: what is given of each object besides photometry.
        leading: the parameter by which samples are sorted.
        exact: whether samples were drawn from the exact posterior, without a flow.

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
    derived: Sequence[Quantity] = ()
    given: Sequence[Given] = ()
    leading: str = ""
    exact: bool = False

    @property
    def packing(self) -> SamplePacking:
        """The packing of samples, over the prior's bounds."""
        return SamplePacking(*(np.array([getattr(p, side) for p in self.parameters]) for side in ("low", "high")))

    @cached_property
    def variables(self) -> dict[str, Description]:
        """All variables by name."""
        packing, first = self.packing, self.leading or self.parameters[0].name
        known = _known(self.given, self.band_sets or [self.bands])
        inferred = _posterior(packing, first, "exact density" if self.exact else "flow's density")
        weights = (_evidence() if self.weighted or self.exact else {}) | (
            _weights(packing, first) if self.weighted else {}
        )
        return known | inferred | weights | (_derived(self.derived) if self.derived else {})

    def shape(self, name: str, clusters: int) -> tuple[int, ...]:
        """Return the shape of a variable for this many clusters."""
        sizes = {
            "cluster": clusters,
            "sample": self.samples,
            "mode": self.modes,
            "parameter": len(self.parameters),
            "parameter2": len(self.parameters),
            "band": len(self.bands),
            "quantile": len(QUANTILES),
            "derived": len(self.derived),
        }
        return tuple(sizes[dim] for dim in self.variables[name].dims)

    def nothing(self, clusters: int) -> dict[str, NDArray[Any]]:
        """Return all inferred variables, in declared units, filled with absent values."""
        return {
            name: variable.nothing(self.shape(name, clusters))
            for name, variable in self.variables.items()
            if name not in known_names([quantity.name for quantity in self.given])
        }


ROW, BY_PARAMETER, BY_BAND = ("cluster",), ("cluster", "parameter"), ("cluster", "band")
BY_SAMPLE, BY_MODE, BY_QUANTILE = ("cluster", "sample"), ("cluster", "mode"), ("cluster", "quantile", "parameter")


def _number(dims: tuple[str, ...], long_name: str, unit: str = "1", dtype: str = "float32", **more: Any) -> Description:
    return Description(dims, dtype, {"long_name": long_name, "units": unit, **more})


def _by_parameter(dims: tuple[str, ...], long_name: str, **more: Any) -> Description:
    """Describe numbers whose last axis is the parameters, in the units of the coordinate `parameter_unit`."""
    return Description(dims, "float32", {"long_name": long_name, **more})


def _samples(long_name: str, first: str, packing: SamplePacking) -> Description:
    order = {"comment": f"sorted by {first} for compression; the order has no meaning"}
    attrs = {"long_name": long_name, **order, **packing.attributes()}
    return Description(("cluster", "sample", "parameter"), "uint16", attrs)


def _other(dims: tuple[str, ...], long_name: str, dtype: str, **more: Any) -> Description:
    return Description(dims, dtype, {"long_name": long_name, **more})


def _given(quantity: Given) -> dict[str, Description]:
    unit, name = quantity.unit or "1", quantity.long_name or quantity.name
    of = f"log10 of the {quantity.name}" if quantity.dex else f"the {quantity.name}"
    spread = f"standard deviation of {of}, over which samples are marginalised; 0 if neglected"
    return {
        quantity.name: _number(ROW, name, unit, "float64"),
        f"{quantity.name}_error": _number(ROW, spread, "dex" if quantity.dex else unit, "float64"),
    }


def _known(given: Sequence[Given], band_sets: Sequence[Sequence[str]]) -> dict[str, Description]:
    """Return the variables known before inference; their checksum is taken in this order."""
    sets = {
        "flag_values": list(range(len(band_sets))),
        "flag_meanings": " ".join("+".join(bands) for bands in band_sets),
    }
    own_set = "instrument set of bands in which the cluster was observed; -1 if none matches"
    return {
        "galaxy": _other(ROW, "galaxy", "str"),
        "cluster_id": _other(ROW, "identifier within the galaxy's catalogue", "str"),
        "ra": _number(ROW, "right ascension, J2000", "degree", "float64"),
        "dec": _number(ROW, "declination, J2000", "degree", "float64"),
        **{name: described for quantity in given for name, described in _given(quantity).items()},
        "cluster_class": _number(ROW, "morphological class in the catalogue; -1 if it has none", dtype="int32"),
        "classifier": _other(ROW, "who assigned the class", "uint8", **value_attributes(Classifier)),
        "band_set": _other(ROW, own_set, "int8", **sets),
        "flux": _number(BY_BAND, "flux density in the catalogue", "mJy", "float64"),
        "sigma": _number(BY_BAND, "error of the flux density, including the systematic", "mJy", "float64"),
        "observed": _other(BY_BAND, "whether the band was used", "bool"),
        "reason": _other(BY_BAND, "reason why the band was not used", "uint8", **value_attributes(Reason)),
        "published": _by_parameter(BY_PARAMETER, "published estimate in the catalogue, if it has one"),
        "published_error": _by_parameter(BY_PARAMETER, "standard deviation of the published estimate"),
        "published_chi2": _number(ROW, "reduced chi^2 of the published estimate"),
    }


def known_names(given: Sequence[str]) -> list[str]:
    """Return the names of the variables known before inference, for the names of what is given."""
    return list(_known([Given(name, 0, 1) for name in given], ()))


def _posterior(packing: SamplePacking, first: str, density: str) -> dict[str, Description]:
    """Return the variables of posteriors that every archive has."""
    logs = LogPacking().attributes()
    at_samples = f"log of the {density} at each of its own samples, per declared unit"
    highest = "maximum a posteriori: the highest mode, refined on the density named by the attribute `polish`"
    p_value = "posterior predictive p-value of chi^2: fraction of predictions that fit worse"
    by_quantile = ("cluster", "band", "quantile")
    return {
        "theta": _samples("posterior samples, all of the same weight", first, packing),
        "log_q": _number(BY_SAMPLE, at_samples, "nat", "int32", **logs),
        "mode": _by_parameter(("cluster", "mode", "parameter"), "modes of the joint posterior, highest first"),
        "mode_share": _number(BY_MODE, "fraction of samples nearest to each mode"),
        "mode_log_q": _number(BY_MODE, f"log of the {density} at each mode"),
        "map": _by_parameter(BY_PARAMETER, highest),
        "quantile": _by_parameter(BY_QUANTILE, "quantiles of the marginal posteriors", levels=list(QUANTILES)),
        "mean": _by_parameter(BY_PARAMETER, "posterior mean"),
        "std": _by_parameter(BY_PARAMETER, "posterior standard deviation"),
        "covariance": _number(("cluster", "parameter", "parameter2"), "posterior covariance"),
        "prior_edge": _other(BY_PARAMETER, "bound of the prior that the posterior is pressed against", "int8", **EDGES),
        "entropy": _number(ROW, "differential entropy of the posterior", "nat"),
        "predictive_mean": _number(BY_BAND, "mean flux density of the posterior predictive", "mJy"),
        "predictive_quantile": _number(
            by_quantile, "quantiles of the posterior predictive", "mJy", levels=list(QUANTILES)
        ),
        "predictive_rank": _number(BY_BAND, "fraction of the posterior predictive below the observed flux"),
        "predictive_p": _number(ROW, p_value),
        "map_flux": _number(BY_BAND, "noiseless flux density of the re-simulated MAP", "mJy"),
        "chi2_map": _number(ROW, "reduced chi^2 of the re-simulated MAP, over max(bands - parameters, 1)"),
        "flag": _other(ROW, "warnings about the cluster and its posterior", "int32", **flag_attributes()),
    }


def _derived(quantities: Sequence[Quantity]) -> dict[str, Description]:
    """Return the variables of quantities that follow from the parameters, in the units of `derived_unit`."""
    meaning = {"comment": "; ".join(f"{q.name}: {q.long_name}" for q in quantities)}
    dims, spread = ("cluster", "quantile", "derived"), "quantiles of derived quantities over the posterior"
    return {
        "derived_map": _by_parameter(("cluster", "derived"), "derived quantities at the MAP", **meaning),
        "derived_quantile": _by_parameter(dims, spread, levels=list(QUANTILES), **meaning),
    }


def _evidence() -> dict[str, Description]:
    """Return the variables of archives whose likelihood is tractable."""
    evidence = "log of the evidence, log p(photometry), a density of fluxes and errors in mJy"
    bayes = (
        "log of the evidence over the likelihood of a model that reproduces every flux: comparable between band sets"
    )
    drawn = "effective number of the samples drawn divided by their number"
    number = "effective number of the samples that quantiles, moments and theta come from"
    return {
        "log_evidence": _number(ROW, evidence, "nat"),
        "log_bayes": _number(ROW, bayes, "nat"),
        "efficiency": _number(ROW, drawn),
        "effective": _number(ROW, number),
    }


def _weights(packing: SamplePacking, first: str) -> dict[str, Description]:
    """Return what archives of weighted samples of a flow have besides: the flow's own values, and the weights."""
    weight = (
        "log of likelihood x prior / q of each of the flow's samples, unnormalised: the mean weight is the evidence"
    )
    return {
        "theta_flow": _samples("samples of the flow as drawn, to be weighted by log_weight", first, packing),
        "log_weight": _number(BY_SAMPLE, weight, "nat", "int32", **LogPacking().attributes()),
        "refined": _other(ROW, "where values come from", "uint8", **value_attributes(Refined)),
        "mode_log_p": _number(BY_MODE, "log of the exact posterior density at each mode", "nat"),
        "map_flow": _by_parameter(BY_PARAMETER, "highest mode of the flow's samples"),
        "quantile_flow": _by_parameter(BY_QUANTILE, "quantiles of the flow's samples", levels=list(QUANTILES)),
        "mean_flow": _by_parameter(BY_PARAMETER, "mean of the flow's samples"),
        "std_flow": _by_parameter(BY_PARAMETER, "standard deviation of the flow's samples"),
        "covariance_flow": _number(("cluster", "parameter", "parameter2"), "covariance of the flow's samples"),
        "entropy_flow": _number(ROW, "differential entropy of the flow's density, -E[log q]", "nat"),
    }
