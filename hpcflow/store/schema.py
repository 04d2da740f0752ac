"""What the archive of posteriors holds: every variable with its dimensions, type, units and meaning."""

from collections.abc import Sequence
from typing import Any

from hpcflow.model.prior import Parameter
from hpcflow.store.flags import Classifier, flag_attributes, reason_attributes
from hpcflow.store.packing import LogPacking, SamplePacking

__all__ = ["KNOWN", "QUANTILES", "REFINED", "SCHEMA", "schema"]

SCHEMA = "hpcflow-posteriors/3"
QUANTILES = (0.16, 0.5, 0.84)
REFINED = ("none", "more_samples", "exact_grid")  # what weighted numbers come from, by value of `refined`
KNOWN = (  # before any posterior is
    "galaxy",
    "cluster_id",
    "ra",
    "dec",
    "distance",
    "distance_error",
    "cluster_class",
    "classifier",
    "band_set",
    "flux",
    "sigma",
    "observed",
    "reason",
    "published",
    "published_error",
    "published_chi2",
)

Description = tuple[tuple[str, ...], str, dict[str, Any]]


def _says(long_name: str, unit: str = "1", **more: Any) -> dict[str, Any]:
    return {"long_name": long_name, "units": unit, **more}


def schema(parameters: Sequence[Parameter], packing: SamplePacking, weighted: bool) -> dict[str, Description]:
    """Return dimensions, type and attributes of every variable that is written cluster by cluster.

    Args:
        parameters: with their units.
        packing: of their samples.
        weighted: whether samples have importance weights.
    """
    described = _posterior(parameters, packing)
    if weighted:
        described |= _weights(parameters)
    return described


def _posterior(parameters: Sequence[Parameter], packing: SamplePacking) -> dict[str, Description]:
    """Return what every archive has."""
    units = _units(parameters)
    row, by_parameter, by_band = ("cluster",), ("cluster", "parameter"), ("cluster", "band")
    return {
        "galaxy": (row, "str", {"long_name": "galaxy"}),
        "cluster_id": (row, "str", {"long_name": "identifier within the galaxy's catalogue"}),
        "ra": (row, "float64", _says("right ascension, J2000", "degree")),
        "dec": (row, "float64", _says("declination, J2000", "degree")),
        "distance": (row, "float64", _says("distance assumed", "Mpc")),
        "distance_error": (
            row,
            "float64",
            _says("standard deviation of log10 of the distance that samples are drawn for; 0 where neglected", "dex"),
        ),
        "cluster_class": (row, "int32", _says("class in the catalogue; -1 where it has none")),
        "classifier": (
            row,
            "uint8",
            {
                "long_name": "who gave that class",
                "flag_values": [int(c) for c in Classifier],
                "flag_meanings": " ".join(c.name.lower() for c in Classifier),
            },
        ),
        "band_set": (row, "int8", {"long_name": "set of bands that the cluster was observed in; -1 for none of them"}),
        "flux": (by_band, "float64", _says("flux density as catalogued", "mJy")),
        "sigma": (by_band, "float64", _says("its error, the systematic included", "mJy")),
        "observed": (by_band, "bool", {"long_name": "whether the band was used"}),
        "reason": (by_band, "uint8", {"long_name": "why a band was not used", **reason_attributes()}),
        "theta": (
            ("cluster", "sample", "parameter"),
            "uint16",
            _says(
                "posterior samples",
                units,
                comment="in the order of log_age, which means nothing: samples are exchangeable",
                **packing.attributes(),
            ),
        ),
        "log_q": (
            ("cluster", "sample"),
            "int32",
            _says("log of the flow's density at each sample, per declared units", "nat", **LogPacking().attributes()),
        ),
        "mode": (
            ("cluster", "mode", "parameter"),
            "float32",
            _says("modes of the joint posterior, highest first", units),
        ),
        "mode_share": (("cluster", "mode"), "float32", _says("share of the samples nearest to each mode")),
        "mode_log_q": (("cluster", "mode"), "float32", _says("log of the flow's density at each mode")),
        "map": (
            by_parameter,
            "float32",
            _says(
                "maximum a posteriori: the highest mode, climbed on the density that the attribute `polish` names",
                units,
            ),
        ),
        "quantile": (
            ("cluster", "quantile", "parameter"),
            "float32",
            _says("quantiles of the marginal posteriors", units, levels=list(QUANTILES)),
        ),
        "mean": (by_parameter, "float32", _says("posterior mean", units)),
        "std": (by_parameter, "float32", _says("posterior standard deviation", units)),
        "covariance": (("cluster", "parameter", "parameter2"), "float32", _says("posterior covariance")),
        "entropy": (row, "float32", _says("differential entropy of the posterior, -E[log q]", "nat")),
        "predictive_mean": (by_band, "float32", _says("mean flux density of the posterior predictive", "mJy")),
        "predictive_quantile": (
            ("cluster", "band", "quantile"),
            "float32",
            _says("quantiles of the posterior predictive", "mJy", levels=list(QUANTILES)),
        ),
        "predictive_rank": (by_band, "float32", _says("share of the posterior predictive below the observed flux")),
        "predictive_p": (
            row,
            "float32",
            _says("posterior predictive p-value of chi^2: share of predictions that fit worse"),
        ),
        "map_flux": (by_band, "float32", _says("noiseless flux density of the re-simulated MAP", "mJy")),
        "chi2_map": (row, "float32", _says("reduced chi^2 of the re-simulated MAP, over max(bands - parameters, 1)")),
        "published": (by_parameter, "float32", _says("the catalogue's own estimate, where it has one", units)),
        "published_error": (by_parameter, "float32", _says("standard deviation of that estimate", units)),
        "published_chi2": (row, "float32", _says("reduced chi^2 of that estimate, as published")),
        "flag": (row, "int32", {"long_name": "what can be said against this posterior", **flag_attributes()}),
    }


def _weights(parameters: Sequence[Parameter]) -> dict[str, Description]:
    """Return what an archive has where the likelihood is tractable."""
    units = _units(parameters)
    row, by_parameter = ("cluster",), ("cluster", "parameter")
    return {
        "log_weight": (
            ("cluster", "sample"),
            "int32",
            _says(
                "log of likelihood x prior / q of each sample: not normalised, the mean weight is the evidence",
                "nat",
                **LogPacking().attributes(),
            ),
        ),
        "log_evidence": (row, "float32", _says("log of the evidence, log p(photometry)", "nat")),
        "efficiency": (row, "float32", _says("effective sample size of all samples drawn, over their number")),
        "weighted_mean": (by_parameter, "float32", _says("posterior mean, of weighted samples", units)),
        "weighted_std": (by_parameter, "float32", _says("posterior standard deviation, of weighted samples", units)),
        "weighted_quantile": (
            ("cluster", "quantile", "parameter"),
            "float32",
            _says("quantiles of the marginal posteriors, of weighted samples", units, levels=list(QUANTILES)),
        ),
        "mode_log_p": (("cluster", "mode"), "float32", _says("log of the exact posterior density at each mode", "nat")),
        "refined": (
            row,
            "uint8",
            {
                "long_name": "what the weighted numbers come from",
                "flag_values": list(range(len(REFINED))),
                "flag_meanings": " ".join(REFINED),
            },
        ),
    }


def _units(parameters: Sequence[Parameter]) -> str:
    return ", ".join(f"{p.name}: {p.unit or '1'}" for p in parameters)
