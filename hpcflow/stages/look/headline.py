"""The numbers of a run: the first table of the report, and the table of galaxies."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hpcflow.calibration import findings
from hpcflow.calibration.findings import Finding
from hpcflow.calibration.recovery import Recovery
from hpcflow.calibration.words import JOINT
from hpcflow.sources import SOURCES
from hpcflow.stages.look.folder import RunFolder
from hpcflow.store.flags import POOR_CHI2, Refined
from hpcflow.store.kind import given_names
from hpcflow.store.summary import has_posterior

__all__ = ["MOST", "GalaxyRow", "Number", "galaxy_rows", "headline", "recovery_numbers", "share"]

DECLARED = {parameter.name: parameter for source in SOURCES.values() for parameter in source.parameters}

MOST = 3  # parameters in the table of galaxies


@dataclass(frozen=True)
class Number:
    """A line of the first table: its group, name and value, and a note to compare the value with."""

    group: str
    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class GalaxyRow:
    """A galaxy: its clusters, those with a posterior, and medians of the MAP by parameter and of the reduced chi^2."""

    galaxy: str
    clusters: int
    fitted: int
    medians: dict[str, float]
    chi2: float


def headline(run: RunFolder, archive: xr.Dataset | None) -> list[Number]:
    """Return the lines of the first table; stages that have not been run have none.

    Args:
        run: the run folder.
        archive: its posteriors, from `summarise`.
    """
    return _simulations(run) + _training(run) + _validation(run) + _clusters(archive)


def recovery_numbers(found: Recovery) -> list[Number]:
    """Return the recovery of known truths as lines of the first table."""
    group, word = "Truth", _named(found.of).removeprefix("log ")
    ages = [
        (f"MAP {word} within {found.limit:g} dex", found.close, ""),
        (
            f"MAP {word} wrong by 10\u00d7 or more",
            found.catastrophic,
            "fits of real clusters, whose models are not exact: 13\u201321 % (Whitmore et al. 2023)",
        ),
        (f"nearest mode's {word} wrong by 10\u00d7 or more", found.catastrophic_best, ""),
    ]
    lines = [Number(group, name, share(value, found.error(value)), note) for name, value, note in ages]
    # the note names the prior because a mock's clusters are not drawn from it
    inside = [
        Number(group, f"{what}, {_named(name)}", share(value, found.error(value)), "68 % of draws from the prior")
        for what, shares in (
            ("truth in the 68 % interval", found.coverage),
            ("truth in the 68 % interval of the flow alone", found.flow),
        )
        for name, value in shares.items()
    ]
    return [Number(group, "clusters with a known truth", _count(found.clusters)), *lines, *inside]


def galaxy_rows(archive: xr.Dataset) -> list[GalaxyRow]:
    """Return one row per galaxy, sorted by name.

    Args:
        archive: dataset with galaxy, map and chi2_map.
    """
    fitted, best, names = has_posterior(archive), archive["map"].values, list(archive["parameter"].values)
    columns = {_named(name): names.index(name) for name in names[:MOST]}
    rows = []
    for galaxy in np.unique(archive["galaxy"].values):
        here = archive["galaxy"].values == galaxy
        good = here & fitted
        medians = {name: _median(best[good, d]) for name, d in columns.items()}
        chi2 = _median(archive["chi2_map"].values[good])
        rows.append(GalaxyRow(str(galaxy), int(here.sum()), int(good.sum()), medians, chi2))
    return rows


def share(value: float, error: float) -> str:
    """Format a share in percent with its standard error.

    >>> share(0.683, 0.0047)
    '68.3 \u00b1 0.5 %'
    """
    return f"{100 * value:.1f} \u00b1 {100 * error:.1f} %"


def _simulations(run: RunFolder) -> list[Number]:
    if run.simulations is None:
        return []
    done, total = run.progress()["simulations"]
    failed = int(run.simulations["failed"].sum()) if "failed" in run.simulations else 0
    note = f"{_count(done)} of {_count(total)} partitions finished"
    return [Number("Simulations", "in the library", _count(run.simulations.sizes["simulation"]), note)] + (
        [Number("Simulations", "failed", _count(failed))] if failed else []
    )


def _training(run: RunFolder) -> list[Number]:
    lines = []
    network = run.flow.get("flow")
    family = run.flow.get("family") or (network.get("family") if isinstance(network, dict) else None)
    if family:
        lines.append(Number("Flow", "family", str(family)))
    weights = run.flow.get("weights")
    if isinstance(weights, int):
        lines.append(Number("Flow", "weights", _count(weights)))
    if run.history is None:
        return lines
    nll = run.history["validation_nll"].values
    if np.isfinite(nll).any():
        best = int(np.nanargmin(nll))
        step = _count(int(run.history["step"].values[best]))
        lines.append(Number("Flow", "validation NLL", _nat(nll[best]), f"lowest, at step {step}"))
    if "examples" in run.history:
        lines.append(Number("Flow", "examples seen", _count(int(run.history["examples"].values[-1]))))
    if "seconds" in run.history:
        lines.append(Number("Flow", "training time", f"{run.history['seconds'].values[-1] / 60:.1f} min"))
    return lines


def _validation(run: RunFolder) -> list[Number]:
    checked = run.validation
    if checked is None:
        return []
    group, n = "Calibration", checked.sizes["simulation"]
    lines = [Number(group, "held-out simulations", _count(n), f"{checked.attrs.get('samples', '?')} samples each")]
    if "log_q" in checked:
        log_q = checked["log_q"].values[np.isfinite(checked["log_q"].values)]
        error = log_q.std() / np.sqrt(max(len(log_q), 1))
        lines.append(Number(group, "mean log-density of the truth", _nat(log_q.mean(), error)))
    for inside in findings.coverage(checked):
        text = share(inside.value, inside.error)
        lines.append(Number(group, f"truth in the 68 % interval, {_named(inside.of)}", text, "expected 68 %"))
    for largest, outside in zip(findings.ecdf(checked), findings.ecdf_outside(checked), strict=True):
        note = f"{100 * outside.value:.0f} % outside the 1\u201399 % band"
        words = " \u00d7 ".join(map(_named, largest.of.split("*")))
        lines.append(Number(group, f"ranks of {words}, largest ECDF difference", f"{largest.value:.4f}", note))
    lines += [
        Number(group, f"{JOINT[off.key]}, largest difference of coverage", f"{off.value:.4f}")
        for off in findings.wholes(checked)
    ]
    return lines + _gap(checked) + _distances(checked)


def _distances(checked: xr.Dataset) -> list[Number]:
    """Return the distances of the flow's samples from exact ones."""
    group, found = "Distance to the exact posterior", findings.distances(checked)
    floor = {one.of: f"; two exact sets: {one.value:.3f}" for one in found if one.key == "wasserstein_exact"}
    names = {
        "kl": "divergence from exact posterior to flow, nats",
        "wasserstein": "Wasserstein distance in {of}, standard deviations",
        "c2st": "classifier between flow and exact samples, accuracy",
    }
    return [
        Number(
            group,
            names[one.key].format(of=_named(one.of)),
            f"{one.value:.3f} \u00b1 {one.error:.3f}",
            f"{_count(one.n)} held-out simulations{floor[one.of] if one.key == 'wasserstein' else ''}",
        )
        for one in found
        if one.key in names
    ]


def _gap(checked: xr.Dataset) -> list[Number]:
    """Return the gap to the exact posterior: the whole, and each parameter's part."""
    whole = findings.gap(checked)
    return [] if whole is None else list(map(_gap_line, [whole, *findings.gap_parts(checked)]))


def _gap_line(found: Finding) -> Number:
    given = f" | {', '.join(found.given)}" if found.given else ""
    return Number(
        "Gap to the exact posterior",
        f"{found.of}{given}" if found.of else "mean log p \u2212 log q",
        _nat(found.value, found.error),
        f"{_count(found.n)} held-out simulations",
    )


def _named(parameter: str) -> str:
    """Return a parameter's name in plain text."""
    if parameter not in DECLARED:
        return parameter
    known = DECLARED[parameter]
    return (known.symbol or known.short).replace("-", "\u2212").replace("$", "")


def _clusters(archive: xr.Dataset | None) -> list[Number]:
    if archive is None:
        return []
    total, fitted = archive.sizes["cluster"], int(has_posterior(archive).sum())
    chi2 = archive["chi2_map"].values[np.isfinite(archive["chi2_map"].values)]
    lines = [
        Number("Clusters", "in the catalogues", _count(total)),
        Number("Clusters", "with a posterior", _count(fitted), f"{100 * fitted / max(total, 1):.1f} %"),
    ]
    for name in given_names(archive.attrs):
        if waiting := int(np.isnan(archive[name].values).sum()):
            remedy = "give one in infer.distance_mpc" if name == "distance" else "give it in the catalogue"
            lines.append(Number("Clusters", f"waiting for a {name}", _count(waiting), remedy))
    if len(chi2):
        poor = f"{100 * (chi2 > POOR_CHI2).mean():.1f} % above {POOR_CHI2:g}"
        lines.append(Number("Clusters", "median reduced \u03c7\u00b2 of the MAP", f"{np.median(chi2):.2f}", poor))
    if "efficiency" in archive and np.isfinite(archive["efficiency"].values).any():
        efficiency = archive["efficiency"].values[np.isfinite(archive["efficiency"].values)]
        low, middle, high = 100 * np.quantile(efficiency, (0.16, 0.5, 0.84))
        spread = f"16, 84 %: {low:.0f}, {high:.0f} %"
        lines.append(Number("Clusters", "median efficiency of the samples", f"{middle:.0f} %", spread))
        evidence = archive["log_evidence"].values[np.isfinite(archive["log_evidence"].values)]
        lines.append(Number("Clusters", "median log evidence", _nat(float(np.median(evidence)))))
    if "refined" in archive:
        refined = archive["refined"].values
        again, grid = (int((refined == kind).sum()) for kind in (Refined.MORE_SAMPLES, Refined.EXACT_GRID))
        lines.append(Number("Clusters", "sampled again; on the exact grid", f"{_count(again)}; {_count(grid)}"))
    return lines


def _median(values: NDArray[np.floating]) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else float("nan")


def _nat(value: float, error: float | None = None) -> str:
    text = f"{value:.3f}".replace("-", "\u2212")
    return f"{text} nat" if error is None else f"{text} \u00b1 {error:.3f} nat"


def _count(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")
