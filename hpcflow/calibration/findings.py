"""What a record of calibration says, in numbers: loss, ranks, coverage, and how far the exact posterior is."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hpcflow.calibration import uniformity
from hpcflow.calibration.record import ValidationStore
from hpcflow.calibration.strata import Seen, strata
from hpcflow.calibration.uniformity import ecdf_difference, share_inside

__all__ = [
    "Excursion", "Finding", "Stratum", "by_stratum", "coverage", "describe", "distances", "excursions", "gap",
    "intervals", "joint", "negative_log_likelihood", "seen", "statistics",
]  # fmt: skip

LEVELS = np.linspace(0.02, 0.98, 49)


class Finding(NamedTuple):
    """A mean with its standard error, over n simulations."""

    mean: float
    error: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} +- {self.error:.3f}"


class Excursion(NamedTuple):
    """How far ranks are from uniform: the largest ECDF difference, and the share of it outside its 1-99 % band."""

    largest: float
    outside: float


def describe(path: Path) -> Iterator[str]:
    """Say what a record of calibration holds, a line at a time."""
    with ValidationStore.open(path).dataset() as ds:
        nll = negative_log_likelihood(ds)
        yield f"negative log-likelihood {nll} nats, of {nll.n} held-out simulations"
        found = gap(ds)
        if found:
            whole, *parts = ((name, value) for name, value in found.items())
            yield f"gap to the exact posterior {whole[1]} nats, of {whole[1].n}"
            yield from (f"gap, {name}: {value}" for name, value in parts)
        else:
            yield f"gap not computed: {ds.attrs['exact_says'] if not ds.attrs['exact'] else 'nothing is finished'}"
        for name, (largest, outside) in excursions(ds).items():
            yield f"ranks of {name}: ECDF off by {largest:.4f} at most, {100 * outside:.0f} % outside the 1-99 % band"
        for name, (share, error) in coverage(ds).items():
            yield f"the 68 % interval of {name} holds {100 * share:.1f} +- {100 * error:.1f} % of the truths"
        for name, rank in joint(ds).items():
            yield f"{name}: coverage off by {_off(rank, ds):.4f} at most"
        for name, value in distances(ds).items():
            yield f"{name} {value}"


def negative_log_likelihood(ds: xr.Dataset) -> Finding:
    """Return the mean of -log q of the truths, in nats per simulation."""
    return _finding(-ds["log_q"].values.astype(float))


def gap(ds: xr.Dataset) -> dict[str, Finding]:
    """Return the mean of log p - log q: of all, of each parameter given those before it, and of every stratum.

    Empty where no exact density was computed.
    """
    compared = ds.isel(simulation=np.flatnonzero(np.isfinite(ds["log_p"].values)))
    if not compared.sizes["simulation"]:
        return {}
    parts = compared["gap"].sel(parameter=compared["gap"].attrs["order"])
    whole = parts.values.astype(float).sum(axis=1)
    found = {"all": _finding(whole)}
    names: list[str] = []
    for name, values in zip(parts["parameter"].values.tolist(), parts.values.T.astype(float), strict=True):
        found[f"{name} | {', '.join(names)}" if names else name] = _finding(values)
        names.append(name)
    return found | {name: _finding(whole[rows]) for name, rows in strata(seen(compared)).items() if rows.sum() > 1}


def distances(ds: xr.Dataset) -> dict[str, Finding]:
    """Return how far the flow is from the exact posterior, means over clusters; empty where it was not compared."""
    compared = ds.isel(simulation=np.flatnonzero(np.isfinite(ds["kl"].values)))
    if not compared.sizes["simulation"]:
        return {}
    found = {"divergence from exact to flow, nats:": _finding(compared["kl"].values.astype(float))}
    for name in compared["parameter"].values.tolist():
        apart, floor = (compared[kind].sel(parameter=name).values for kind in ("wasserstein", "wasserstein_exact"))
        floor_says = f"(two exact ones: {float(np.mean(floor)):.3f})"
        found[f"Wasserstein distance in {name}, standard deviations {floor_says}:"] = _finding(apart.astype(float))
    found["classifier between flow and exact samples, accuracy:"] = _finding(compared["c2st"].values.astype(float))
    return found


def statistics(validation: xr.Dataset) -> dict[str, NDArray[np.floating]]:
    """Return the ranks (N,) of each parameter and, where they are there, of the products of two.

    These are the six statistics of Walter et al. 2026, sect. 3.1.
    """
    found = {str(name): validation["rank"].sel(parameter=name).values for name in validation["parameter"].values}
    if "rank_product" in validation:
        product = validation["rank_product"]
        found |= {str(name): product.sel(statistic=name).values for name in product["statistic"].values}
    return found


def excursions(ds: xr.Dataset) -> dict[str, Excursion]:
    """Return for each of the six statistics how far its ranks are from uniform."""
    found = {}
    for name, rank in statistics(ds).items():
        _, difference, low, high = ecdf_difference(rank, int(ds.attrs["samples"]))
        found[name] = Excursion(
            float(np.abs(difference).max()), float(((difference < low) | (difference > high)).mean())
        )
    return found


def coverage(ds: xr.Dataset) -> dict[str, tuple[float, float]]:
    """Return by parameter the share of truths inside the central 68 % interval, and its standard error."""
    n, samples = ds.sizes["simulation"], int(ds.attrs["samples"])
    shares = {
        str(name): share_inside(ds["rank"].sel(parameter=name).values, 0.68, samples) for name in ds["parameter"].values
    }
    return {name: (p, float(np.sqrt(p * (1 - p) / max(n, 1)))) for name, p in shares.items()}


def intervals(ds: xr.Dataset) -> dict[str, float]:
    """Return by parameter how far the coverage of central intervals is from their level, at most, over all levels."""
    samples = int(ds.attrs["samples"])
    found = {}
    for name in ds["parameter"].values:
        level, share, _ = uniformity.coverage(ds["rank"].sel(parameter=name).values, LEVELS, samples)
        found[str(name)] = float(np.abs(share - level).max())
    return found


def joint(ds: xr.Dataset) -> dict[str, NDArray[np.floating]]:
    """Return the two statistics (N,) of all parameters together; both are uniform if posteriors are right."""
    return {"regions of highest density": ds["denser"].values, "TARP": ds["nearer"].values}


def seen(ds: xr.Dataset) -> Seen:
    """Return what a record's simulations are sorted by."""
    median = ds["quantile"].isel(quantile=1)
    return Seen(
        error=ds["error"].values,
        log_age=median.sel(parameter="log_age").values,
        ebv=median.sel(parameter="ebv").values,
        distance=ds["distance"].values,
        pattern=ds["pattern"].values.astype(np.int64),
        bands=list(ds["pattern"].attrs["bands"]),
    )


@dataclass(frozen=True)
class Stratum:
    """What is found among n simulations of one kind.

    Args:
        n: how many.
        ecdf: largest ECDF difference of the six rank statistics, and of which.
        worst: the name of that statistic.
        coverage: share of truths in the central 68 % interval, by parameter.
        regions, tarp: largest difference of coverage from its level.
        gap, kl, wasserstein, c2st: means over those compared with the exact posterior; None without.
    """

    n: int
    ecdf: float
    worst: str
    coverage: dict[str, float]
    regions: float
    tarp: float
    gap: Finding | None
    kl: Finding | None
    wasserstein: Finding | None
    c2st: Finding | None

    @property
    def by_chance(self) -> float:
        """What the differences stay below in 99.9 % of calibrated records of so many simulations."""
        return uniformity.largest_by_chance(self.n)


def by_stratum(ds: xr.Dataset) -> dict[str, Stratum]:
    """Return every diagnostic of all simulations and of each stratum of two or more."""
    every = {"all": np.ones(ds.sizes["simulation"], dtype=bool)} | strata(seen(ds))
    return {name: _stratum(ds.isel(simulation=np.flatnonzero(rows))) for name, rows in every.items() if rows.sum() > 1}


def _stratum(ds: xr.Dataset) -> Stratum:
    offs = {name: _off(rank, ds) for name, rank in statistics(ds).items()}
    worst = max(offs, key=lambda name: offs[name])
    regions, tarp = (_off(rank, ds) for rank in joint(ds).values())
    compared = np.isfinite(ds["log_p"].values)

    def mean(values: NDArray[np.floating]) -> Finding | None:
        return _finding(values[compared].astype(float)) if compared.any() else None

    return Stratum(
        n=ds.sizes["simulation"],
        ecdf=offs[worst],
        worst=worst,
        coverage={name: share for name, (share, _) in coverage(ds).items()},
        regions=regions,
        tarp=tarp,
        gap=mean(ds["gap"].values.sum(axis=1)),
        kl=mean(ds["kl"].values),
        wasserstein=mean(ds["wasserstein"].values.mean(axis=1)),
        c2st=mean(ds["c2st"].values),
    )


def _off(rank: NDArray[np.floating], ds: xr.Dataset) -> float:
    return uniformity.off(rank, int(ds.attrs["samples"]))


def _finding(values: NDArray[np.floating]) -> Finding:
    n = len(values)
    return Finding(float(values.mean()), float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan"), n)
