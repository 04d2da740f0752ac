"""Numbers from a calibration record: loss, ranks, coverage, and distances from the exact posterior."""

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hpcflow.calibration import uniformity
from hpcflow.calibration.conditional import foretold, offset, regressed, spread
from hpcflow.calibration.strata import Axis, Seen, strata
from hpcflow.calibration.uniformity import ecdf_difference, share_inside
from hpcflow.store.kind import source_of

__all__ = [
    "Finding", "Stratum", "by_stratum", "coverage", "distances", "ecdf", "ecdf_outside", "gap", "gap_by_stratum",
    "gap_parts", "intervals", "joint", "locally", "negative_log_likelihood", "regression", "seen", "statistics",
    "wholes", "within_strata",
]  # fmt: skip

LEVELS = np.linspace(0.02, 0.98, 49)
UNLIKELY = 0.001  # share of a right flow's records in which chance exceeds its allowance
FEWEST = 40  # simulations that a regression is fitted to half of
SURE = 3.0  # standard errors of a mean that chance may account for


@dataclass(frozen=True)
class Finding:
    """One number from a calibration record.

    Args:
        key: kind of number, such as "ecdf"; the keys of `validate.require` are among the kinds.
        of: its parameter, statistic or stratum; empty if it covers all simulations and parameters.
        value: the number.
        n: number of simulations it is computed from.
        error: its standard error; NaN if it has none.
        given: the parameters that `of` is conditioned on.
        by_chance: bound that the number stays below for 999 of 1000 right flows; NaN if it is not known.
    """

    key: str
    of: str
    value: float
    n: int
    error: float = math.nan
    given: tuple[str, ...] = ()
    by_chance: float = math.nan


def negative_log_likelihood(ds: xr.Dataset) -> Finding:
    """Return the mean of -log q of the truths, in nats per simulation."""
    return _mean("nll", "", -ds["log_q"].values)


def gap(ds: xr.Dataset) -> Finding | None:
    """Return the mean of log p - log q in nats; None if no exact density was computed."""
    compared = _compared(ds)
    if not compared.sizes["simulation"]:
        return None
    found = _mean("gap", "", _excess(compared))
    return replace(found, by_chance=SURE * found.error)


def gap_parts(ds: xr.Dataset) -> list[Finding]:
    """Return each parameter's part of the gap, given the parameters before it in the chain rule."""
    compared = _compared(ds)
    if not compared.sizes["simulation"]:
        return []
    order = tuple(compared["gap"].attrs["order"])
    parts = compared["gap"].sel(parameter=list(order)).values
    means = (_mean("gap_part", name, parts[:, k]) for k, name in enumerate(order))
    return [replace(found, given=order[:k]) for k, found in enumerate(means)]


def gap_by_stratum(ds: xr.Dataset) -> list[Finding]:
    """Return the gap of every stratum of two or more simulations."""
    compared = _compared(ds)
    if not compared.sizes["simulation"]:
        return []
    excess = _excess(compared)
    return [_mean("gap_stratum", name, excess[rows]) for name, rows in strata(seen(compared)).items() if rows.sum() > 1]


def distances(ds: xr.Dataset) -> list[Finding]:
    """Return mean distances of the flow from the exact posterior over clusters; empty if they were not compared.

    The keys are kl [nat]; wasserstein for each parameter, in standard deviations, and wasserstein_exact, the same
    between two sets of exact samples; and c2st, an accuracy.
    """
    compared = _compared(ds)
    if not compared.sizes["simulation"]:
        return []
    kl = compared["kl"].values  # NaN if no exact sample is inside the bounds; see stages.validate
    apart = [
        _mean(key, name, compared[key].sel(parameter=name).values)
        for name in compared["parameter"].values.tolist()
        for key in ("wasserstein", "wasserstein_exact")
    ]
    told_apart = _mean("c2st", "", compared["c2st"].values)
    by_chance = 0.5 + SURE * told_apart.error
    return [_mean("kl", "", kl[np.isfinite(kl)]), *apart, replace(told_apart, by_chance=by_chance)]


def statistics(validation: xr.Dataset) -> dict[str, NDArray[np.floating]]:
    """Return the ranks (N,) of each parameter and, if the record has them, of the products of two parameters.

    These are the six statistics of Walter et al. 2026, sect. 3.1.
    """
    found = {str(name): validation["rank"].sel(parameter=name).values for name in validation["parameter"].values}
    if "rank_product" in validation:
        product = validation["rank_product"]
        found |= {str(name): product.sel(statistic=name).values for name in product["statistic"].values}
    return found


def ecdf(ds: xr.Dataset) -> list[Finding]:
    """Return, for each of the six statistics, the largest difference between its ranks' ECDF and the uniform CDF."""
    return [_difference("ecdf", name, _off(rank, ds), ds) for name, rank in statistics(ds).items()]


def ecdf_outside(ds: xr.Dataset) -> list[Finding]:
    """Return, for each of the six statistics, the share of its ECDF that is outside the 1-99 % band."""
    found = []
    for name, rank in statistics(ds).items():
        _, difference, low, high = ecdf_difference(rank, int(ds.attrs["samples"]))
        outside = float(((difference < low) | (difference > high)).mean())
        found.append(Finding("ecdf_outside", name, outside, len(rank)))
    return found


def coverage(ds: xr.Dataset) -> list[Finding]:
    """Return, for each parameter, the share of truths inside the central 68 % interval, and its standard error."""
    n, samples, found = ds.sizes["simulation"], int(ds.attrs["samples"]), []
    for name in ds["parameter"].values.tolist():
        share = share_inside(ds["rank"].sel(parameter=name).values, 0.68, samples)
        found.append(Finding("interval_68", name, share, n, float(np.sqrt(share * (1 - share) / max(n, 1)))))
    return found


def intervals(ds: xr.Dataset) -> list[Finding]:
    """Return, for each parameter, the largest difference between coverage and level of central intervals."""
    samples, found = int(ds.attrs["samples"]), []
    for name in ds["parameter"].values.tolist():
        rank = ds["rank"].sel(parameter=name).values
        level, share, _ = uniformity.coverage(rank, LEVELS, samples)
        furthest = float(np.abs(share - level).max()) if np.isfinite(rank).all() else math.nan
        found.append(_difference("coverage", name, furthest, ds))
    return found


def joint(ds: xr.Dataset) -> dict[str, NDArray[np.floating]]:
    """Return, by key, the two joint statistics (N,) of all parameters; both are uniform if posteriors are right."""
    return {"regions": ds["denser"].values, "tarp": ds["nearer"].values}


def wholes(ds: xr.Dataset) -> list[Finding]:
    """Return the largest difference between joint coverage and its level, for each key of `joint`."""
    return [_difference(key, "", _off(rank, ds), ds) for key, rank in joint(ds).items()]


def within_strata(ds: xr.Dataset) -> list[Finding]:
    """Return, for every stratum of two or more simulations, the largest difference in any coverage or ECDF of ranks.

    The bound by chance accounts for all strata and differences: 999 of 1000 right flows stay below it everywhere.
    """
    apart = seen(ds, ds["location"])  # a rank depends on the median of its own samples
    kinds = {name: rows for name, rows in strata(apart).items() if rows.sum() > 1}
    found = []
    for name, rows in kinds.items():
        here = ds.isel(simulation=np.flatnonzero(rows))
        ranks = [_off(here["rank"].sel(parameter=one).values, here) for one in here["parameter"].values.tolist()]
        differences = [*ranks, *(one.value for one in [*intervals(here), *wholes(here)])]
        tries = len(kinds) * len(differences)
        chance = uniformity.largest_by_chance(here.sizes["simulation"], 1 - UNLIKELY / tries)
        value = float(np.max(differences))
        found.append(Finding("strata", name, value, here.sizes["simulation"], by_chance=chance))
    return found


def locally(ds: xr.Dataset) -> list[Finding]:
    """Return, for each parameter, the correlation of its ranks with their prediction from the photometry.

    See `conditional.foretold`. There are none of fewer than `FEWEST` simulations.
    """
    if ds.sizes["simulation"] < FEWEST:
        return []
    names, samples, n = ds["parameter"].values.tolist(), int(ds.attrs["samples"]), ds.sizes["simulation"] // 2
    ranks = uniformity.places(ds["rank"].values, samples)
    known = np.concatenate([ds[name].values for name in ("x", "location", "scale")], axis=1)
    found = foretold(known.astype(float), np.concatenate([offset(ranks), spread(ranks)], axis=1))
    error = 1 / np.sqrt(n)
    chance = NormalDist().inv_cdf(1 - UNLIKELY / 2) * error  # the larger of two
    larger = found.reshape(2, len(names)).max(axis=0)
    return [
        Finding("local", name, float(value), n, error, by_chance=chance)
        for name, value in zip(names, larger, strict=True)
    ]


def regression(ds: xr.Dataset) -> Finding | None:
    """Return the lead of a linear regression over the flow in nats; None for fewer than `FEWEST` simulations."""
    if ds.sizes["simulation"] < FEWEST:
        return None
    ahead = regressed(ds["x"].values.astype(float), ds["truth"].values.astype(float)) - ds["log_q"].values[1::2]
    found = _mean("regression", "", ahead)
    return replace(found, by_chance=SURE * found.error)


def seen(ds: xr.Dataset, location: xr.DataArray | None = None) -> Seen:
    """Return the quantities that sort a record's simulations into strata.

    Args:
        ds: the record.
        location: (simulation, parameter) places of the posteriors; their medians if None.
    """
    at = ds["quantile"].isel(quantile=1) if location is None else location
    names = at["parameter"].values.tolist()
    source, axes = source_of(ds.attrs), dict[str, Axis]()
    for parameter in source.parameters if source else ():
        if parameter.edges and parameter.name in names:
            axes[parameter.symbol or parameter.name] = Axis(at.sel(parameter=parameter.name).values, parameter.edges)
    for quantity in source.scale.given if source else ():
        if quantity.edges:
            axes[quantity.name] = Axis(ds[quantity.name].values, quantity.edges, quantity.unit)
    return Seen(
        error=ds["error"].values,
        axes=axes,
        pattern=ds["pattern"].values.astype(np.int64),
        bands=list(ds["pattern"].attrs["bands"]),
    )


@dataclass(frozen=True)
class Stratum:
    """Diagnostics of the n simulations of one stratum.

    Args:
        n: number of simulations.
        ecdf: largest ECDF difference of the six rank statistics.
        worst: name of that statistic.
        coverage: share of truths in the central 68 % interval, by parameter.
        regions, tarp: largest difference between coverage and its level.
        gap, kl, wasserstein, c2st: means over simulations compared with the exact posterior; None if there are none.
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
        """Bound that the differences stay below in 99.9 % of calibrated records of n simulations."""
        return uniformity.largest_by_chance(self.n)


def by_stratum(ds: xr.Dataset) -> dict[str, Stratum]:
    """Return the diagnostics of all simulations and of each stratum of two or more."""
    every = {"all": np.ones(ds.sizes["simulation"], dtype=bool)} | strata(seen(ds))
    return {name: _stratum(ds.isel(simulation=np.flatnonzero(rows))) for name, rows in every.items() if rows.sum() > 1}


def _stratum(ds: xr.Dataset) -> Stratum:
    worst = max(ecdf(ds), key=lambda found: found.value)
    regions, tarp = wholes(ds)
    compared = _compared(ds)

    def mean(key: str, values: NDArray[np.floating]) -> Finding | None:
        return _mean(key, "", values) if len(values) else None

    return Stratum(
        n=ds.sizes["simulation"],
        ecdf=worst.value,
        worst=worst.of,
        coverage={found.of: found.value for found in coverage(ds)},
        regions=regions.value,
        tarp=tarp.value,
        gap=mean("gap", _excess(compared)),
        kl=mean("kl", compared["kl"].values),
        wasserstein=mean("wasserstein", compared["wasserstein"].values.mean(axis=1)),
        c2st=mean("c2st", compared["c2st"].values),
    )


def _compared(ds: xr.Dataset) -> xr.Dataset:
    """Return the simulations whose exact density was computed."""
    return ds.isel(simulation=np.flatnonzero(~np.isnan(ds["log_p"].values)))


def _excess(compared: xr.Dataset) -> NDArray[np.floating]:
    """Return log p - log q (N,) of compared simulations."""
    return np.asarray(compared["gap"].values.astype(float).sum(axis=1))


def _off(rank: NDArray[np.floating], ds: xr.Dataset) -> float:
    """Return the largest ECDF difference of ranks; NaN if one of them is not finite."""
    return uniformity.off(rank, int(ds.attrs["samples"])) if np.isfinite(rank).all() else math.nan


def _difference(key: str, of: str, value: float, ds: xr.Dataset) -> Finding:
    n = ds.sizes["simulation"]
    return Finding(key, of, value, n, by_chance=uniformity.largest_by_chance(n))


def _mean(key: str, of: str, values: NDArray[np.floating]) -> Finding:
    n = len(values)
    values = values.astype(float)
    value = float(values.mean()) if n else math.nan
    with np.errstate(invalid="ignore"):  # the spread of infinite values is NaN
        return Finding(key, of, value, n, float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else math.nan)
