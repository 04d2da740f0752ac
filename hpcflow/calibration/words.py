"""Sentences about the calibration of a flow, for logs, the report and verdicts."""

from collections.abc import Iterator
from pathlib import Path

import xarray as xr

from hpcflow.calibration import findings
from hpcflow.calibration.findings import Finding
from hpcflow.calibration.record import ValidationStore

__all__ = ["JOINT", "describe", "what"]

JOINT = {"regions": "regions of highest density", "tarp": "TARP"}
WHAT = {
    "ecdf": "ranks of {of} are off by",
    "coverage": "coverage of the intervals of {of} is off by",
    "regions": "coverage of regions of highest density is off by",
    "tarp": "coverage of TARP is off by",
    "strata": "in the stratum {of}, ranks or coverage are off by",
    "local": "ranks of {of} can be predicted from the photometry with a correlation of",
    "regression": "the lead of a linear regression over the flow, in nats, is",
    "gap": "the gap to the exact posterior is",
    "c2st": "a classifier tells the flow from the exact posterior with an accuracy of",
}


def what(found: Finding) -> str:
    """Return the beginning of a sentence that ends with the finding's value.

    >>> what(Finding("ecdf", "ebv", 0.02, 1000))
    'ranks of ebv are off by'
    """
    return WHAT[found.key].format(of=found.of)


def describe(path: Path) -> Iterator[str]:
    """Yield the lines of a summary of a calibration record."""
    with ValidationStore.open(path).dataset() as ds:
        nll = findings.negative_log_likelihood(ds)
        yield f"negative log-likelihood of {nll.n} held-out simulations: {_pair(nll)} nats"
        yield from _gap(ds)
        for found, outside in zip(findings.ecdf(ds), findings.ecdf_outside(ds), strict=True):
            share = f"{100 * outside.value:.0f} % outside the 1-99 % band"
            yield f"ranks of {found.of}: ECDF off by {found.value:.4f} at most, {share}"
        for inside in findings.coverage(ds):
            share = f"{100 * inside.value:.1f} +- {100 * inside.error:.1f} %"
            yield f"the 68 % interval of {inside.of} holds {share} of the truths"
        for off in findings.wholes(ds):
            yield f"{JOINT[off.key]}: coverage off by {off.value:.4f} at most"
        kinds = findings.within_strata(ds)
        if worst := max(kinds, key=lambda found: found.value / found.by_chance, default=None):
            yield f"worst in {worst.of}: ranks or coverage off by {worst.value:.4f}, by chance {worst.by_chance:.4f}"
        for one in findings.locally(ds):
            yield f"ranks of {one.of}: predicted from the photometry with a correlation of {_pair(one)}"
        if lead := findings.regression(ds):
            yield f"lead of the flow over a linear regression: {-lead.value:.3f} +- {lead.error:.3f} nats"
        yield from _distances(ds)


def _gap(ds: xr.Dataset) -> Iterator[str]:
    whole = findings.gap(ds)
    if whole is None:
        yield f"gap not computed: {ds.attrs['exact_says'] if not ds.attrs['exact'] else 'no partition is finished'}"
        return
    yield f"gap to the exact posterior of {whole.n} simulations: {_pair(whole)} nats"
    for part in findings.gap_parts(ds):
        yield f"gap, {part.of}{' | ' if part.given else ''}{', '.join(part.given)}: {_pair(part)}"
    for stratum in findings.gap_by_stratum(ds):
        yield f"gap, {stratum.of}: {_pair(stratum)}"


def _distances(ds: xr.Dataset) -> Iterator[str]:
    found = findings.distances(ds)
    floor = {one.of: f"two exact sets: {one.value:.3f}" for one in found if one.key == "wasserstein_exact"}
    for one in found:
        if one.key == "kl":
            yield f"divergence from exact posterior to flow, nats: {_pair(one)}"
        elif one.key == "wasserstein":
            yield f"Wasserstein distance in {one.of}, standard deviations ({floor[one.of]}): {_pair(one)}"
        elif one.key == "c2st":
            yield f"classifier between flow and exact samples, accuracy: {_pair(one)}"


def _pair(found: Finding) -> str:
    return f"{found.value:.3f} +- {found.error:.3f}"
